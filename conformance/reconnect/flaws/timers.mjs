// Flaws of the heartbeat: one time for two things, timers that outlive their connection.

import { answering, deaf, mute, server } from "../servers.mjs";
import { sleep } from "../stage.mjs";

const beats = (visit) => visit.texts.filter(({ text }) => text === "HeartBeat");

export const timers = [
  {
    id: "F-02",
    sentence: "silence is noticed after interval and timeout, each with a time of its own",
    async shows({ kind, start, use }) {
      const mutes = use(await server(mute));
      await start(kind, mutes.url, { beat: 2500, answer: 300, delay: 100 });
      await mutes.until(([first]) => first && !first.isLive, "the end of a silent connection");
      const [{ at, endedAt }] = mutes.visits;
      return endedAt - at > 4200;
    },
  },
  {
    id: "F-03",
    sentence: "a timer of an old connection closes no new one",
    async shows({ kind, start, use }) {
      const visited = use(
        await server((socket, visit, number) => {
          if (number > 1) return answering(socket);
          socket.on("message", () => socket.terminate());
        }),
      );
      await start(kind, visited.url, { beat: 1500, delay: 100, longest: 100 });
      await visited.until(({ length }) => length === 2, "the second connection");
      await sleep(3000);
      return visited.visits.length > 2;
    },
  },
  {
    id: "F-04",
    sentence: "after some losses there is one chain of heartbeats",
    async shows({ kind, start, use }) {
      const visited = use(
        await server((socket, visit, number) => {
          if (number === 5) return answering(socket);
          setTimeout(() => socket.terminate(), 20);
        }),
      );
      await start(kind, visited.url, { beat: 1500, delay: 50, longest: 50 });
      await visited.until(({ length }) => length === 5, "the fifth connection");
      await sleep(2300);
      return beats(visited.visits[4]).length !== 1;
    },
  },
  {
    id: "F-08",
    sentence: "a dead socket is left at once, its closing handshake is not waited for",
    async shows({ kind, start, use }) {
      const nobody = use(await deaf());
      await start(kind, nobody.url, { beat: 400, delay: 100, longest: 100 });
      await sleep(5000);
      return nobody.arrivals.length < 2;
    },
  },
  {
    id: "F-19",
    sentence: "a server that answers no heartbeat is kept, if the heartbeat is turned off",
    async shows({ kind, start, use }) {
      const mutes = use(await server(mute));
      await start(kind, mutes.url, { beat: 300, delay: 100, silent: true });
      await mutes.until(({ length }) => length === 1, "the connection");
      await sleep(1500);
      return mutes.visits.length > 1;
    },
  },
];
