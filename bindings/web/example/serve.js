/**
 * Serves this folder's page, for trying it out: `node example/serve.js [PORT]`. Any server of static files does as well,
 * such as `python3 -m http.server` in `bindings/web`.
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** Listens, by default for this machine only; port 0 lets the system choose one. Gives the server once it listens. */
export function serve(port, host = "127.0.0.1") {
    const server = createServer(async (request, response) => {
        const { pathname } = new URL(request.url, "http://localhost");
        // A URL's path has no "..": they are resolved away, and never above the root.
        const file = new URL(`.${pathname.endsWith("/") ? `${pathname}index.html` : pathname}`, ROOT);
        try {
            const type = TYPES[extname(file.pathname)];
            const body = type === undefined || !file.pathname.startsWith(ROOT.pathname) ? null : await readFile(file);
            response.writeHead(body === null ? 404 : 200, { "content-type": `${type ?? "text/plain"}; charset=utf-8` });
            response.end(body ?? "not found\n");
        } catch {
            response.writeHead(404).end("not found\n");
        }
    });
    return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => resolve(server));
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const server = await serve(Number(process.argv[2] ?? 8080));
    const bots = "?bots=ws://127.0.0.1:7778/";
    console.log(`open http://127.0.0.1:${server.address().port}/example/${bots}`);
}
