/** The chat of `tme serve`: one channel of text, the user data is the name. */

import { Panel } from "./panel.js";

const LINES_MAX = 200;

const panel = new Panel("#chat", ({ name }) => ({ application: "tme chat", userData: name }), join);
const sayForm = panel.find(".say");
const lines = panel.find(".lines");

function show(text, kind) {
    const line = document.createElement("li");
    line.textContent = text;
    line.className = kind;
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

function join(client) {
    enable(true);
    show(`* you are number ${client.peerNumber} here`, "news");
    client.addEventListener("message", ({ text }) => show(text, text.startsWith("*") ? "news" : ""));
    client.addEventListener("close", () => enable(panel.client?.isOpen === true));
}

sayForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text } = sayForm.elements;
    if (!panel.client?.isOpen || text.value === "") {
        return;
    }
    if (panel.client.send("chat", text.value)) {
        show(`you: ${text.value}`, "own");
        text.value = "";
    } else {
        panel.show("on", "the server is slow: try again in a moment");
    }
});
