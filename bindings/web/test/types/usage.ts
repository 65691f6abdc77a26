/** A game in TypeScript, as far as its types are concerned: compiled, never run. */

import { Client, Reason, TmeError, type CloseInfo, type ConnectOptions, type Statistics } from "../../src/index.js";

const options: ConnectOptions = {
    application: "a game",
    userData: new Uint8Array([1, 2]),
    token: "AAAA",
    channels: [{ name: "chat", mode: "reliable-ordered" }, { name: "pose", mode: "sequenced", id: 9 }],
    schemas: [[1, 2n]],
    connectTimeoutMs: 5_000,
    clock: true,
    signal: new AbortController().signal,
};

export async function play(url: URL): Promise<CloseInfo> {
    const client = await Client.connect(url, options).catch((error: unknown) => {
        if (error instanceof TmeError && error.reason === Reason.FULL) {
            console.log(error.kind, error.text);
        }
        throw error;
    });
    client.addEventListener("message", ({ channel, data, key, text }) => {
        const bytes: Uint8Array = data;
        console.log(channel, bytes.length, key + 1, text.length);
    });
    client.addEventListener("writable", ({ channel }) => client.send(channel, "again"));
    client.addEventListener("close", ({ reason, isLocal, message }) => console.log(reason + 1, isLocal, message));
    client.addEventListener("interrupted", () => undefined, { once: true });
    const isTaken: boolean = client.channel("state").send(new Float32Array(3), { key: 7 });
    const time: number | null = client.serverTime;
    const { rttMs }: Statistics = client.statistics;
    console.log(isTaken, time, rttMs, client.channels.map(({ mode }) => mode));
    // @ts-expect-error A number is no message.
    client.send("chat", 5);
    // @ts-expect-error There is no such mode.
    await Client.connect(url, { channels: [{ name: "chat", mode: "ordered" }] });
    // @ts-expect-error Connections come from `connect`.
    new Client();
    return client.close({ code: 1, detail: "bye" });
}
