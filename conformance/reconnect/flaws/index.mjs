// Every flaw that the classic style shows in a page, each played with both subjects.

import { expectEqual } from "../../report.mjs";
import { open, site } from "../stage.mjs";
import { ends } from "./ends.mjs";
import { orders } from "./orders.mjs";
import { timers } from "./timers.mjs";

const AT_ONCE = 3;
const SECONDS = 60;

/** Plays one flaw with one subject; tells whether it shows. */
async function plays(browser, flaw, kind, module) {
  const extra = {};
  const used = [];
  const base = await site(module, extra);
  used.push(base);
  const stage = await open(browser, base.url, flaw);
  used.push(stage);
  const use = (thing) => {
    used.push(thing);
    return thing;
  };
  try {
    return await flaw.shows({ ...stage, kind, use, extra });
  } finally {
    for (const thing of used.reverse()) await thing.close();
  }
}

/** One check a flaw: it shows in the classic style, else it proves nothing, and not in `Socket`. */
export async function checkFlaws(browser, check, module) {
  const waiting = [...orders, ...timers, ...ends];
  const work = async () => {
    for (let flaw = waiting.shift(); flaw; flaw = waiting.shift()) {
      const { id, sentence } = flaw;
      await check(`${id}: ${sentence} (Socket; not in the classic style)`, async () => {
        const [classic, socket] = await Promise.all(
          ["classic", "socket"].map((kind) => plays(browser, flaw, kind, module)),
        );
        expectEqual(classic, true, "the flaw shows in the classic style");
        expectEqual(socket, false, "the flaw shows in Socket");
      }, SECONDS);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
