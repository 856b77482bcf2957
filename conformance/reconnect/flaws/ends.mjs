// Flaws of coming back: for ever, with what is stale, and without what was said.

import { answering, closing, hanging, server } from "../servers.mjs";
import { sleep } from "../stage.mjs";

const BEAT = 60_000;
const texts = (visit) => visit.texts.map(({ text }) => text).filter((text) => text !== "HeartBeat");
const leave = (page) => page.evaluate(() => window.subjects[0].leave());
const say = (page, text) => page.evaluate((words) => void window.subjects[0].send(words), text);

/** A server that lets in who has the token of the moment, and tells others 4401. */
async function guarded({ use, extra }) {
  let current = 1;
  extra.token = () => String(current);
  const guard = use(
    await server((socket, visit) => {
      visit.isWelcome = visit.url === `/${current}`;
      if (!visit.isWelcome) socket.close(4401, "the token has expired");
    }),
  );
  return { guard, expire: () => (current += 1) };
}

export const ends = [
  {
    id: "F-09",
    sentence: "who leaves while an attempt is pending stays away",
    async shows({ kind, page, start, use }) {
      const visited = use(await server());
      // The pause is long enough for a slow machine, also in Socket.
      await page.evaluate(() => (Math.random = () => 0.9));
      await start(kind, visited.url, { beat: BEAT, delay: 2000 });
      await visited.until(({ length }) => length === 1, "the first connection");
      visited.drop();
      await page.waitForFunction(() => window.instruments.sockets[0].readyState === 3);
      await leave(page);
      await sleep(3000);
      return visited.visits.length > 1;
    },
  },
  {
    id: "F-10",
    sentence: "who leaves an open connection stays away",
    async shows({ kind, page, start, use }) {
      const visited = use(await server());
      await start(kind, visited.url, { beat: BEAT, delay: 200 });
      await visited.until(({ length }) => length === 1, "the first connection");
      await sleep(100);
      await leave(page);
      await sleep(2500);
      return visited.visits.length > 1;
    },
  },
  {
    id: "F-10",
    sentence: "who is sent away with 4403 stays away",
    async shows({ kind, start, use }) {
      const closed = use(await server(closing(4403, "not for you")));
      await start(kind, closed.url, { beat: BEAT, delay: 100 });
      await closed.until(({ length }) => length >= 1, "the first connection");
      await sleep(2500);
      return closed.visits.length > 1;
    },
  },
  {
    id: "F-13",
    sentence: "an attempt that hangs is given up",
    async shows({ kind, start, use }) {
      const hung = use(await hanging());
      await start(kind, hung.url, { beat: BEAT, delay: 100, longest: 100, connectTimeout: 500 });
      await sleep(4000);
      return hung.arrivals.length < 2;
    },
  },
  {
    id: "F-15",
    sentence: "what is sent while the line is down arrives when it is back",
    async shows({ kind, page, start, use }) {
      const visited = use(await server());
      await start(kind, visited.url, { beat: BEAT, delay: 2000 });
      await visited.until(({ length }) => length === 1, "the first connection");
      visited.drop();
      await page.waitForFunction(() => window.instruments.sockets[0].readyState === 3);
      await say(page, "precious");
      await visited.until(({ length }) => length === 2, "the second connection");
      await sleep(500);
      return !texts(visited.visits[1]).includes("precious");
    },
  },
  {
    id: "F-22",
    sentence: "each return is told, so that the application logs in again, before what waited",
    async shows({ kind, page, start, use }) {
      const visited = use(await server());
      await start(kind, visited.url, { beat: BEAT, delay: 2000, login: "login" });
      await visited.until(([first]) => first && texts(first).includes("login"), "the first login");
      visited.drop();
      await page.waitForFunction(() => window.instruments.sockets[0].readyState === 3);
      await say(page, "waited");
      await visited.until(({ length }) => length === 2, "the second connection");
      await sleep(500);
      return texts(visited.visits[1]).join() !== "login,waited";
    },
  },
  {
    id: "F-23",
    sentence: "an expired token is replaced by a fresh one",
    async shows(stage) {
      const { guard, expire } = await guarded(stage);
      const options = { beat: BEAT, delay: 150, longest: 150 };
      const token = stage.kind === "classic" ? { token: "1" } : { refresh: "/token" };
      await stage.start(stage.kind, guard.url, { ...options, ...token });
      await guard.until(([first]) => first?.isWelcome, "the first connection");
      expire();
      guard.drop();
      await guard.until(({ length }) => length > 1, "the return");
      await sleep(2000);
      return !guard.visits.at(-1).isWelcome;
    },
  },
  {
    id: "F-24",
    sentence: "who is refused again with a fresh token stops",
    async shows(stage) {
      const { guard } = await guarded(stage);
      const options = { beat: BEAT, delay: 100, longest: 100 };
      const token = stage.kind === "classic" ? { token: "0" } : { refresh: "/subject.html" };
      await stage.start(stage.kind, guard.url, { ...options, ...token });
      await guard.until(({ length }) => length >= 2, "the second attempt");
      await sleep(1500);
      return guard.visits.length > 2;
    },
  },
];
