// The state of the line in words.

import { formatDelay } from "./bytes.js";
import { closeCodeName } from "./line.js";

/** A state as a headline and what else there is to know. */
export function describe(state) {
  switch (state.name) {
    case "connecting":
      return { name: state.attempt > 1 ? "Connecting again" : "Connecting", detail: state.url };
    case "open": {
      const subprotocol = state.protocol && `subprotocol ${state.protocol}`;
      return { name: "Open", detail: parts(state.url, subprotocol, state.extensions) };
    }
    case "waiting":
      return { name: state.refused ? "Refused" : "Down", detail: why(state) };
    case "closing":
      return { name: "Closing", detail: "waiting for the server's Close frame" };
    default:
      if (state.error) return { name: "Not connected", detail: state.error };
      if (!state.opened) return { name: "Not connected", detail: why(state) };
      if (state.refused) return { name: "Refused", detail: why(state) };
      return { name: "Closed", detail: why(state) };
  }
}

/** Whether the end was an ordinary one (RFC 6455 §7.4.1), not a failure of line, server or page. */
export function isClean({ opened, code }) {
  return Boolean(opened) && [1000, 1001, 1005].includes(code);
}

function why({ cause, opened, code, reason, advice }) {
  switch (cause) {
    case "heartbeat":
      return "no answer to the heartbeat";
    case "timeout":
      return "the attempt took too long";
    case "target":
      return reason;
    case "page":
      return "the page was put away";
    default: {
      if (!opened && code === 1006) return `${code} · the opening handshake failed`;
      const delay = advice?.retryAfter;
      const wait = delay !== undefined && `come back after ${formatDelay(delay)}`;
      const said = advice ? advice.reason : reason;
      return parts(code, closeCodeName(code), said && `“${said}”`, wait);
    }
  }
}

const parts = (...all) => all.filter(Boolean).join(" · ");
