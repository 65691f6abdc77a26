/** The bots of `tme demo --watch`, drawn as they come. `?bots=ws://…` in the page's address says where, and begins at once. */

import { Panel } from "./panel.js";

/** Of a bot in a picture: number, x and y as u16. */
const BOT_BYTES = 6;
const FIELD = 65_535;
/** Pictures in a bot's trail. */
const TRAIL = 24;
const REPORT_MS = 500;

const panel = new Panel("#watch", () => ({ application: "tme demo", userData: "watch" }), join);
const canvas = panel.find("canvas");
const context = canvas.getContext("2d");

/** By a bot's number: where it was, newest last. Pictures come when they come, and are drawn when the screen is. */
let trails = new Map();
let isChanged = false;
let pictures = 0;

function handlePicture(data) {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const former = trails;
    trails = new Map();
    for (let at = 0; at + BOT_BYTES <= view.byteLength; at += BOT_BYTES) {
        const [number, x, y] = [0, 2, 4].map((offset) => view.getUint16(at + offset, true));
        const trail = former.get(number) ?? [];
        trail.push([(x / FIELD) * canvas.width, (y / FIELD) * canvas.height]);
        trails.set(number, trail.slice(-TRAIL));
    }
    pictures++;
    isChanged = true;
}

function draw() {
    requestAnimationFrame(draw);
    if (!isChanged) {
        return;
    }
    isChanged = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const [number, trail] of trails) {
        drawBot(`hsl(${(number * 137) % 360} 80% 60%)`, trail);
    }
}

function drawBot(colour, trail) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 3;
    trail.slice(1).forEach((point, index) => {
        context.globalAlpha = (0.5 * (index + 1)) / TRAIL;
        context.beginPath();
        context.moveTo(...trail[index]);
        context.lineTo(...point);
        context.stroke();
    });
    context.globalAlpha = 1;
    context.beginPath();
    context.arc(...trail.at(-1), 7, 0, 2 * Math.PI);
    context.fill();
}

function showFigures(bots, rate, rtt) {
    panel.find(".bots").textContent = bots;
    panel.find(".rate").textContent = rate;
    panel.find(".rtt").textContent = rtt;
}

function join(client) {
    panel.find(".hint").hidden = true;
    let [last, before] = [performance.now(), pictures];
    const report = setInterval(() => {
        const now = performance.now();
        const { rttMs } = client.statistics;
        const rate = Math.round(((pictures - before) * 1_000) / (now - last));
        showFigures(trails.size, rate, rttMs === null ? "–" : `${rttMs.toFixed(1)} ms`);
        [last, before] = [now, pictures];
    }, REPORT_MS);
    client.addEventListener("message", ({ channel, data }) => channel === "picture" && handlePicture(data));
    client.addEventListener("close", () => {
        clearInterval(report);
        if (panel.client === client) {
            showFigures("–", "–", "–");
            panel.find(".why").textContent = "The demo is over. In a terminal:";
            panel.find(".hint").hidden = false;
        }
    });
}

requestAnimationFrame(draw);
const wanted = new URLSearchParams(location.search).get("bots");
if (wanted !== null) {
    panel.form.elements.url.value = wanted;
    panel.connect();
}
