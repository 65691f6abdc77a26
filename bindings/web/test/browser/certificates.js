/** The certificates of the tests: files of the repository, and what a browser is told to trust. */

import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(`../../../../tests/certificates/${name}`, import.meta.url));

/** A server's certificate, for 127.0.0.1, which vouches for itself. */
export const CHAIN = path("server.pem");
/** Its key. */
export const KEY = path("key.pem");
/** For `tme serve`. */
export const TLS = ["--tls-chain", CHAIN, "--tls-key", KEY];

/**
 * Makes a browser trust certificates of this key and of no other: as if an authority that it knows had signed them. It also looks
 * away from names and dates then, so those are not tested by it.
 */
export const TRUST = `--ignore-certificate-errors-spki-list=${keyHash(CHAIN)}`;

function keyHash(chain) {
    const { publicKey } = new X509Certificate(readFileSync(chain));
    return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
}
