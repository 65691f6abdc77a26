import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as api from "../../src/index.js";
import { Lonely } from "./world.js";

const DECLARATIONS = readFileSync(new URL("../../src/index.d.ts", import.meta.url), "utf8");

/** Names at the beginning of the lines between this head and the closing brace. */
function members(head) {
    const start = DECLARATIONS.indexOf(head);
    assert.ok(start >= 0, head);
    const body = DECLARATIONS.slice(start, DECLARATIONS.indexOf("\n}", start));
    return [...body.matchAll(/^ {4}readonly (\w+): ([^;]+);/gm)].map(([, name, type]) => [name, type]);
}

test("the declared reasons are those of the code", () => {
    const declared = members("export const Reason").map(([name, value]) => [name, Number(value)]);
    assert.deepEqual(Object.fromEntries(declared), { ...api.Reason });
});

test("the declared statistics are those of the code", () => {
    const names = Object.keys(new Lonely().connection.statistics).concat("socketBytes");
    assert.deepEqual(members("export interface Statistics").map(([name]) => name).sort(), names.sort());
});

test("every class of the code is declared, and every member of the client", () => {
    // The class of channels is made by clients alone, so it is declared as an interface.
    Object.keys(api).forEach((name) => assert.match(DECLARATIONS, new RegExp(`(class|const|interface) ${name}\\b`)));
    const names = Object.getOwnPropertyNames(api.Client.prototype).filter((name) => name !== "constructor");
    names.forEach((name) => assert.match(DECLARATIONS, new RegExp(`^    (readonly )?${name}[(:<]`, "m"), name));
});
