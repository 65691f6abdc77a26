/** The chat of `tme serve`: one channel of text, the user data is the name. */

import { Client } from "../src/index.js";

const LINES_MAX = 200;

const section = document.querySelector("#chat");
const connectForm = section.querySelector(".connect");
const sayForm = section.querySelector(".say");
const lines = section.querySelector(".lines");
const state = section.querySelector(".state");

let client = null;

function show(text) {
    const line = document.createElement("li");
    line.textContent = text;
    lines.append(line);
    if (lines.children.length > LINES_MAX) {
        lines.firstChild.remove();
    }
    lines.scrollTop = lines.scrollHeight;
}

function enable(isConnected) {
    for (const element of sayForm.elements) {
        element.disabled = !isConnected;
    }
}

async function connect({ url, name }) {
    state.textContent = "connecting …";
    try {
        client?.close();
        client = await Client.connect(url, { application: "tme chat", userData: name });
    } catch (error) {
        state.textContent = error.message;
        return;
    }
    state.textContent = `connected as number ${client.peerNumber}`;
    enable(true);
    client.addEventListener("message", ({ text }) => show(text));
    client.addEventListener("interrupted", () => (state.textContent = "the server is not heard at the moment"));
    client.addEventListener("resumed", () => (state.textContent = "connected"));
    client.addEventListener("close", ({ message, text }) => {
        enable(false);
        state.textContent = text ? `${message} (${text})` : message;
    });
}

connectForm.addEventListener("submit", (event) => {
    event.preventDefault();
    connect(Object.fromEntries(new FormData(connectForm)));
});

sayForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text } = sayForm.elements;
    if (client.send("chat", text.value)) {
        show(`you: ${text.value}`);
        text.value = "";
    } else {
        state.textContent = "the server is slow: try again in a moment";
    }
});
