/** The bots of `tme demo --watch`, drawn as they come. */

import { Client } from "../src/index.js";

/** Of a bot in a picture: number, x and y as u16. */
const BOT_BYTES = 6;
const FIELD = 65_535;
const TRAIL = "rgb(16 32 46 / 25%)";

const section = document.querySelector("#watch");
const connectForm = section.querySelector(".connect");
const state = section.querySelector(".state");
const canvas = section.querySelector("canvas");
const context = canvas.getContext("2d");

/** The newest picture: pictures come when they come, and are drawn when the screen is. */
let picture = null;
let client = null;

function draw() {
    requestAnimationFrame(draw);
    if (picture === null) {
        return;
    }
    context.fillStyle = TRAIL;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const view = new DataView(picture.buffer, picture.byteOffset, picture.byteLength);
    for (let at = 0; at + BOT_BYTES <= view.byteLength; at += BOT_BYTES) {
        const [number, x, y] = [0, 2, 4].map((offset) => view.getUint16(at + offset, true));
        context.fillStyle = `hsl(${(number * 137) % 360} 80% 60%)`;
        context.fillRect((x / FIELD) * canvas.width - 3, (y / FIELD) * canvas.height - 3, 6, 6);
    }
    picture = null;
}

async function watch({ url }) {
    state.textContent = "connecting …";
    try {
        client?.close();
        client = await Client.connect(url, { application: "tme demo", userData: "watch" });
    } catch (error) {
        state.textContent = error.message;
        return;
    }
    let count = 0;
    client.addEventListener("message", ({ channel, data }) => {
        if (channel === "picture") {
            picture = data;
            count++;
        }
    });
    const report = setInterval(() => {
        const { rttMs } = client.statistics;
        const rtt = rttMs === null ? "" : `, round trip ${rttMs.toFixed(1)} ms`;
        state.textContent = `${count} pictures so far${rtt}`;
    }, 500);
    client.addEventListener("close", ({ message }) => {
        clearInterval(report);
        state.textContent = message;
    });
}

connectForm.addEventListener("submit", (event) => {
    event.preventDefault();
    watch(Object.fromEntries(new FormData(connectForm)));
});

requestAnimationFrame(draw);
