// The page: joins the line to what is on the screen.

import { copyText, plainProgram, returningProgram, showProgram } from "./code.js";
import { digest } from "./bytes.js";
import { Counters } from "./counters.js";
import { showDrops } from "./drops.js";
import { Figures } from "./figures.js";
import { History } from "./history.js";
import { endpointUrl, HEARTBEAT, isOwnEndpoint, Line, subprotocols } from "./line.js";
import { Log } from "./log.js";
import { describe, isClean } from "./state.js";
import { Composer } from "./talk.js";
import { Tape } from "./tape.js";
import { Timeline } from "./timeline.js";
import { Trouble } from "./trouble.js";
import { Wire } from "./wire.js";

const COPIED_MS = 1500;

const $ = (id) => document.getElementById(id);
const show = (id, text) => ($(id).textContent = text);

const history = new History(onHistory);
const timeline = new Timeline($("timeline"), history);
const wire = new Wire($("wire"), $("wire-track"));
const log = new Log({ root: $("log"), follow: $("follow"), dropped: $("dropped") });
const counters = new Counters(show);
const line = new Line({ onState, onMessage, onBeat, onReceipts: (receipts) => log.settled(receipts) });
const figures = new Figures($, history, line, HEARTBEAT);
const trouble = new Trouble({ root: $("trouble"), result: $("trouble-result"), onCaused: (text) => history.mark(text) });
const composer = new Composer({ form: $("composer"), hint: $("hint"), button: $("send"), onSend: send, onInput: showCode });
let target = null; // what the line was last connected to: { url, protocols }

$("endpoint").value = location.pathname;
show("bound", `${HEARTBEAT.interval / 1000} s + ${HEARTBEAT.timeout / 1000} s`);
$("target").addEventListener("submit", connect);
$("target").addEventListener("input", refresh);
$("disconnect").addEventListener("click", () => line.disconnect());
$("clear").addEventListener("click", () => log.clear());
$("window").addEventListener("change", ({ target: { value } }) => timeline.show(Number(value)));
$("program").addEventListener("change", showCode);
$("copy").addEventListener("click", copy);
refresh();
connect();
if ($("channel")) new Tape($("channel"));

function connect(event) {
  event?.preventDefault();
  const wanted = readTarget();
  if (wanted.error) return;
  if (line.isActive) {
    log.event("closed", `Left ${target.url}`);
    history.stopped();
  }
  target = wanted;
  counters.reset();
  wire.cut();
  line.connect(wanted.url, wanted.protocols);
}

function readTarget() {
  try {
    return { url: endpointUrl($("endpoint").value.trim()), protocols: subprotocols($("subprotocol").value) };
  } catch {
    return { error: "not a path or URL" };
  }
}

function onState(state) {
  const { name, detail } = describe(state);
  for (const id of ["state", "line"]) $(id).dataset.state = state.name;
  $("state").dataset.code = state.code ?? "";
  $("line").dataset.clean = String(isClean(state));
  show("state-name", name);
  show("state-detail", detail);
  show("peer", new URL(state.url).host);
  document.title = `${name} – holdwire`;

  switch (state.name) {
    case "connecting":
      history.connecting(state.attempt);
      break;
    case "open":
      history.opened();
      counters.forget();
      break;
    case "waiting":
      if (state.refused) history.refused(detail);
      else history.lost(detail);
      break;
    case "closed":
      history.stopped();
      break;
  }
  if (state.name !== "open") wire.cut();
  if (["open", "waiting", "closed"].includes(state.name)) log.event(state.name, `${name}: ${detail}`);
  figures.state(state);
  refresh();
}

function onBeat(beat) {
  wire.beat(beat.isAnswer ? "in" : "out");
  if (beat.isAnswer) {
    history.beatAnswered(beat.roundTrip);
    figures.beatAnswered(beat.roundTrip);
  } else {
    history.beatSent();
    figures.beatSent();
  }
}

function onHistory() {
  timeline.draw();
  figures.refresh();
  showDrops($("drops"), $("no-drops"), history.drops);
}

function onMessage(data) {
  const record = { direction: "in", ...digest(data) };
  record.roundTrip = counters.received(record);
  wire.pulse(record);
  log.message(record);
}

function send(data, what) {
  const record = { direction: "out", ...what };
  const receipt = line.send(data);
  if (!receipt) return;
  if (receipt.state !== "dropped") counters.sent(record);
  if ($("state").dataset.state === "open") wire.pulse(record);
  log.message({ ...record, receipt });
  figures.refresh();
}

/** Brings buttons and the program in line with the state and with what is typed. */
function refresh() {
  const state = $("state").dataset.state;
  const wanted = readTarget();
  const isElsewhere = JSON.stringify(wanted) !== JSON.stringify(target);
  const isActive = ["connecting", "open", "waiting"].includes(state);
  $("endpoint").setCustomValidity(wanted.error ?? "");
  $("connect").disabled = isActive && !isElsewhere;
  $("disconnect").disabled = !isActive;
  composer.allow(isActive, isActive && state !== "open");
  trouble.allow(isActive && isOwnEndpoint(target.url));
}

function showCode() {
  const { url, protocols, error } = readTarget();
  if (error) return;
  const { data } = composer.read();
  const message = data instanceof Blob ? "Hello WebSockets!" : (data ?? "");
  const isPlain = $("program").elements.program.value === "plain";
  showProgram($("code"), (isPlain ? plainProgram : returningProgram)(url, protocols, message));
}

async function copy() {
  await copyText($("code").textContent, $("code"));
  show("copy", "Copied");
  setTimeout(() => show("copy", "Copy"), COPIED_MS);
}
