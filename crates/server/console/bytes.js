// Bytes and text for people: hex in, hex dumps out, sizes, times, and heads of payloads that may
// be too large to show.

/** How much of a payload is kept for display; the rest is counted and let go. */
const MAX_TEXT_HEAD = 16 * 1024; // UTF-16 units
const MAX_BINARY_HEAD = 4 * 1024; // bytes
const FINGERPRINT_EDGE = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * What the page remembers of a message: `{ kind, size, head, whole, print }`.
 *
 * `size` is bytes on the line, `head` what may be shown, `whole` whether that is all of it, and
 * `print` tells an echo from other messages without keeping the payload. A `Blob` is read at its
 * edges only.
 */
export async function blobDigest(blob) {
  const [head, tail] = await Promise.all([
    blob.slice(0, MAX_BINARY_HEAD).arrayBuffer(),
    blob.slice(-FINGERPRINT_EDGE).arrayBuffer(),
  ]);
  return binaryDigest(blob.size, new Uint8Array(head), new Uint8Array(tail));
}

/** As `blobDigest`, for a string, an `ArrayBuffer` or a `Uint8Array`. */
export function digest(data) {
  if (typeof data === "string") return textDigest(data);
  const bytes = new Uint8Array(data);
  return binaryDigest(bytes.length, bytes.slice(0, MAX_BINARY_HEAD), bytes.slice(-FINGERPRINT_EDGE));
}

function textDigest(text) {
  const size = encoder.encode(text).length;
  const whole = text.length <= MAX_TEXT_HEAD;
  const head = whole ? text : detachedHead(text, MAX_TEXT_HEAD);
  const print = `text ${size} ${text.slice(0, FINGERPRINT_EDGE)} ${text.slice(-FINGERPRINT_EDGE)}`;
  return { kind: "text", size, head, whole, print };
}

function binaryDigest(size, head, tail) {
  const print = `binary ${size} ${hex(head.subarray(0, FINGERPRINT_EDGE))} ${hex(tail)}`;
  return { kind: "binary", size, head, whole: size === head.length, print };
}

/** The first units of a long string; a plain slice would keep the whole string in memory. */
export function detachedHead(text, units) {
  const last = text.charCodeAt(units - 1);
  const splitsPair = last >= 0xd800 && last <= 0xdbff;
  return decoder.decode(encoder.encode(text.slice(0, splitsPair ? units - 1 : units)));
}

/** Parses hex typed by hand: `{ bytes }` or `{ error }`. Separators and `0x` are welcome. */
export function parseHex(text) {
  const digits = text.replace(/0x/gi, "").replace(/[\s,:;_-]+/g, "");
  const stranger = digits.match(/[^0-9a-f]/iu);
  if (stranger) return { error: `“${stranger[0]}” is not a hex digit` };
  if (digits.length % 2) return { error: "One digit is missing: a byte takes two" };
  return { bytes: Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16)) };
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** A hex dump as three columns of lines: offsets, bytes, ASCII. */
export function hexDump(bytes, bytesPerRow) {
  const offsets = [];
  const rows = [];
  const ascii = [];
  for (let at = 0; at < bytes.length; at += bytesPerRow) {
    const row = bytes.subarray(at, at + bytesPerRow);
    offsets.push(at.toString(16).padStart(4, "0"));
    rows.push([hex(row.subarray(0, 8)), hex(row.subarray(8))].filter(Boolean).join("  "));
    ascii.push(Array.from(row, (b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : "·")).join(""));
  }
  return [offsets, rows, ascii].map((lines) => lines.join("\n"));
}

/** `27 B`, `1.5 KiB`, `16 MiB`. */
export function formatSize(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${bytes >= 100 || unit === 0 ? Math.round(bytes) : +bytes.toFixed(1)} ${units[unit]}`;
}

/** `12:34:56.789`, local time. */
export function formatTime(date) {
  const two = (number) => String(number).padStart(2, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** `0.8 ms`, `12 ms`, `1.42 s`. Browsers round their clocks, so nothing finer than 0.1 ms. */
export function formatDelay(ms) {
  if (ms < 0.1) return "< 0.1 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** `0:07`, `12:34`, `1:02:03`. */
export function formatUptime(ms) {
  const seconds = Math.floor(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
