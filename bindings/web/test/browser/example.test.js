import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { serve } from "../../example/serve.js";
import { Browser } from "./browser.js";
import { PATIENCE_MS, Program } from "./process.js";

/* global document */

let files;
let browser;
const programs = [];

before(async () => {
    files = await serve(0);
    browser = await Browser.launch();
});

after(async () => {
    await browser?.close();
    files?.close();
    await Promise.all(programs.map((program) => program.end()));
});

function start(...words) {
    const program = new Program(...words);
    programs.push(program);
    return program;
}

test("the example chats and shows the bots of the demo", async () => {
    const chat = start("tme", "serve", "--listen", "127.0.0.1:0", "--tcp");
    const demo = start("tme", "demo", "--watch", "--bots", "20", "--seconds", "60");
    const [, chatAddress] = await chat.line(/^TCP at (.*)$/);
    const [, demoUrl] = await demo.line(/with (ws:.*)$/);
    const bots = encodeURIComponent(demoUrl);
    const page = await browser.open(`http://127.0.0.1:${files.address().port}/example/?bots=${bots}`);

    const connect = (section, values) => page.run((section, values) => {
        const form = document.querySelector(`${section} .connect`);
        Object.entries(values).forEach(([name, value]) => (form.elements[name].value = value));
        form.requestSubmit();
    }, section, values);
    await connect("#chat", { url: `ws://${chatAddress}/`, name: "ada" });
    await chat.line(/ada \(\d+\) joined/);
    const heard = page.run(() => new Promise((resolve, reject) => {
        const lines = document.querySelector("#chat .lines");
        const look = () => /server: good evening/.test(lines.textContent) && resolve(true);
        new MutationObserver(look).observe(lines, { childList: true });
        setTimeout(() => reject(new Error("nothing was said")), 20_000);
        look();
    }));
    chat.type("good evening");
    assert.ok(await heard);

    const colours = await page.run(() => new Promise((resolve, reject) => {
        const canvas = document.querySelector("#watch canvas");
        const context = canvas.getContext("2d");
        const end = performance.now() + 20_000;
        const look = () => {
            const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4) {
                const [red, green, blue, alpha] = data.subarray(at, at + 4);
                if (alpha > 0 && Math.max(red, green, blue) > 150) {
                    seen.add((red << 16) | (green << 8) | blue);
                }
            }
            if (seen.size >= 20) {
                resolve(seen.size);
            } else if (performance.now() > end) {
                reject(new Error(`${seen.size} colours on the canvas: ${document.querySelector("#watch .state").textContent}`));
            } else {
                requestAnimationFrame(look);
            }
        };
        look();
    }));
    assert.ok(colours >= 20, "a colour for every bot");
    const figures = () => page.run(() => [...document.querySelectorAll("#watch dd")].map(({ textContent }) => textContent));
    const end = performance.now() + PATIENCE_MS;
    while ((await figures()).includes("–")) {
        assert.ok(performance.now() < end, `figures: ${await figures()}`);
    }
    const [count, rate] = (await figures()).map(Number.parseFloat);
    assert.equal(count, 20);
    assert.ok(rate > 0, "pictures a second");
    assert.equal(await page.run(() => document.querySelector("#watch .badge").textContent), "connected");
    const picture = await page.screenshot();
    assert.ok(picture.length > 10_000, "a picture of the page");
    if (process.env.TME_SCREENSHOT) {
        await writeFile(process.env.TME_SCREENSHOT, picture);
    }

    // What the server's end looks like, and that the form brings it all back.
    chat.signal("SIGKILL");
    const badge = (text) => page.run((text) => new Promise((resolve, reject) => {
        const element = document.querySelector("#chat .badge");
        const look = () => element.textContent === text && resolve(document.querySelector("#chat .state").textContent);
        new MutationObserver(look).observe(element, { childList: true });
        setTimeout(() => reject(new Error(`${element.textContent}, not ${text}`)), 20_000);
        look();
    }), text);
    assert.match(await badge("not connected"), /connect again/);
    assert.ok(await page.run(() => document.querySelector("#chat .say button").disabled));
    const again = start("tme", "serve", "--listen", chatAddress, "--tcp");
    await again.line(/^TCP at/);
    await connect("#chat", { name: "ada" });
    assert.equal(await badge("connected"), "");
    assert.ok(await page.run(() => !document.querySelector("#chat .say button").disabled));
    assert.deepEqual(page.errors, []);
});
