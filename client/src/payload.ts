/** What is published: any JSON value, of which a string is a text, or bytes. */
export type Payload = unknown;

/**
 * The member of a message that carries it, as JSON.
 *
 * @throws TypeError when it is no JSON value
 */
export function write(payload: Payload): string {
  const isBytes = payload instanceof ArrayBuffer || ArrayBuffer.isView(payload);
  const json = JSON.stringify(isBytes ? encode(payload) : payload);
  if (json === undefined) throw new TypeError("no JSON value");
  return `"${isBytes ? "base64" : "data"}":${json}`;
}

/** What a message carries. */
export function read({ data, base64 }: { data?: unknown; base64?: string }): unknown {
  if (base64 === undefined) return data;
  return Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));
}

function encode(payload: ArrayBuffer | ArrayBufferView): string {
  const bytes = ArrayBuffer.isView(payload)
    ? new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength)
    : new Uint8Array(payload);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
