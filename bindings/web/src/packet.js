/** Packets of connections that a stream carries: a header and frames, without encryption and tag (sections 5, 12.5). */

import { DecodeError, expandTruncated } from "./codec.js";

/** The longest packet on a stream (section 12.3). */
export const PACKET_BYTES_MAX = 16_384;

const IS_PACKET = 0x80;
const IS_LONG_NUMBER = 0x01;
/** From this distance on, two bytes of a packet number could be mistaken for another one. */
const SHORT_SPAN = 2 ** 15;

/** Whether these bytes are a data packet, and no handshake datagram. */
export function isPacket(bytes) {
    return bytes.length > 0 && bytes[0] >= IS_PACKET;
}

/** Bytes of a packet number that travel: 2 or 4. `largestAcknowledged` is −1 before the first acknowledgement. */
export function numberBytes(number, largestAcknowledged) {
    return number - largestAcknowledged < SHORT_SPAN ? 2 : 4;
}

/** Appends a header. */
export function encodeHeader(writer, { connectionId, number, largestAcknowledged }) {
    const isLong = numberBytes(number, largestAcknowledged) === 4;
    writer.u8(isLong ? IS_PACKET | IS_LONG_NUMBER : IS_PACKET).u32(connectionId);
    if (isLong) {
        writer.u32(number);
    } else {
        writer.u16(number % 0x1_0000);
    }
}

/**
 * Takes a header. The key phase, bit 1, is 0 here, for there are no keys.
 * @param {import("./codec.js").Reader} reader
 * @param {number} largestReceived −1 before the first packet
 */
export function decodeHeader(reader, largestReceived) {
    const flags = reader.u8();
    if ((flags & ~IS_LONG_NUMBER) !== IS_PACKET) {
        throw new DecodeError("reserved bits of a packet's flags");
    }
    const connectionId = reader.u32();
    const number =
        flags & IS_LONG_NUMBER
            ? expandTruncated(reader.u32(), 32, largestReceived + 1)
            : expandTruncated(reader.u16(), 16, largestReceived + 1);
    return { connectionId, number };
}
