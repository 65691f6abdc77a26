/** The server's clock as seen from here (docs/PROTOCOL.md, section 8.3). */

const INTERVAL_MIN_MS = 100;
const INTERVAL_MAX_MS = 1_000;
/** The next request comes after this part of the time that has been asked for. */
const INTERVAL_PART = 45;
const PENDING_MAX = 32;
const SAMPLES_MAX = 16;
/** A sample counts as so much worse per millisecond of its age: what two clocks may drift apart, generously. */
const DRIFT = 0.000_2;
const TIME_MAX = 2n ** 62n;
/** Answers that another's questions may cost. */
const ANSWERS_PER_SECOND = 20;
const ANSWERS_BURST = 8;

/** Milliseconds as the microseconds that travel. */
export function toMicros(ms) {
    return BigInt(Math.max(0, Math.round(ms * 1_000)));
}

/** Asks for the other side's time and estimates it. */
export class ClockAsker {
    #isAsking;
    #beganAt;
    #askAt;
    /** Client times of the requests under way, oldest first. */
    #pending = [];
    #samples = [];
    #told = -Infinity;

    constructor(now, isAsking) {
        this.#isAsking = isAsking;
        this.#beganAt = now;
        this.#askAt = now;
    }

    /** When to ask next, or null. */
    get deadline() {
        return this.#isAsking ? this.#askAt : null;
    }

    /** The client time of a request that leaves now. */
    ask(now) {
        const interval = (now - this.#beganAt) / INTERVAL_PART;
        this.#askAt = now + Math.min(Math.max(interval, INTERVAL_MIN_MS), INTERVAL_MAX_MS);
        const time = toMicros(now);
        this.#pending.push(time);
        if (this.#pending.length > PENDING_MAX) {
            this.#pending.shift();
        }
        return time;
    }

    /** Takes an answer; one that cannot be is ignored, for a clock that lies is only wrong. */
    handleAnswer(now, { clientTime, received, sent }) {
        const index = this.#pending.indexOf(clientTime);
        if (index < 0) {
            return;
        }
        this.#pending.splice(index, 1);
        const arrived = toMicros(now);
        const isPossible = received <= sent && sent < TIME_MAX && sent - received <= arrived - clientTime;
        if (!isPossible) {
            return;
        }
        // The offset lies between these two, whatever the way; halfway is right where both ways take as long.
        const [least, most] = [sent - arrived, received - clientTime];
        const offsetMs = Number(least + most) / 2_000;
        this.#samples.push({ at: now, offsetMs, widthMs: Number(most - least) / 1_000 });
        if (this.#samples.length > SAMPLES_MAX) {
            this.#samples.shift();
        }
    }

    /** The other side's time in milliseconds of its own clock, never running backwards; null before the first answer. */
    time(now) {
        if (this.#samples.length === 0) {
            return null;
        }
        const width = ({ at, widthMs }) => widthMs + (now - at) * DRIFT;
        const best = this.#samples.reduce((best, sample) => (width(sample) < width(best) ? sample : best));
        this.#told = Math.max(this.#told, now + best.offsetMs);
        return this.#told;
    }
}

/** Answers the other side's questions, within bounds. */
export class ClockAnswerer {
    #allowance = ANSWERS_BURST;
    #filledAt = null;
    #waiting = null;

    /** Only the newest question is answered. */
    handleRequest(now, clientTime) {
        const earned = ((now - (this.#filledAt ?? now)) / 1_000) * ANSWERS_PER_SECOND;
        this.#allowance = Math.min(this.#allowance + earned, ANSWERS_BURST);
        this.#filledAt = now;
        if (this.#allowance >= 1) {
            this.#allowance--;
            this.#waiting = { clientTime, received: toMicros(now) };
        }
    }

    get isWaiting() {
        return this.#waiting !== null;
    }

    /** The answer's fields, once. */
    take(now) {
        const answer = { ...this.#waiting, sent: toMicros(now) };
        this.#waiting = null;
        return answer;
    }
}
