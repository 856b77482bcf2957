// Drives unmodified `centrifuge` clients by orders, one JSON object each, and tells what they say: in
// Node and in a page. `agent.py` does the same with `centrifuge-python`.

const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** What an order is answered with, and a payload comes as, in JSON. */
function plain(value) {
  if (!(value instanceof Uint8Array)) return value;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch {
    return { bytes: toBase64(value) };
  }
}

const EVENTS = ["connecting", "connected", "disconnected", "error", "message"];
const OF_SERVER = ["subscribing", "subscribed", "unsubscribed", "publication", "join", "leave"];

/** Gives what takes orders; `tell` is handed what there is to tell. */
export function agent(Centrifuge, fixed, tell) {
  const clients = new Map();
  const asked = new Map();
  let asks = 0;

  const named = (names, emitter, client, more) => {
    for (const event of names) {
      emitter.on(event, ({ data, info, client: clientId, ...context }) => {
        const rest = { ...more, client, event };
        if (clientId) rest.clientId = clientId;
        if (data !== undefined) rest.data = plain(data);
        if (info) rest.info = { ...info, connInfo: plain(info.connInfo) };
        if (context.error) context.error = { code: context.error.code, message: context.error.message };
        tell({ ...context, ...rest });
      });
    }
  };
  const tokens = (client) => (context) =>
    new Promise((resolve, reject) => {
      asked.set(++asks, { resolve, reject });
      tell({ client, event: "token", ask: asks, channel: context?.channel });
    });

  const orders = {
    make({ client, url, protobuf, asksToken, options }) {
      const more = asksToken ? { getToken: tokens(client) } : {};
      const made = new Centrifuge(url, { ...fixed, ...options, ...more });
      named(EVENTS, made, client);
      named(OF_SERVER, made, client, { server: true });
      const encode = (value) => (protobuf ? new TextEncoder().encode(JSON.stringify(value)) : value);
      clients.set(client, { made, payload: ({ data, bytes }) => (bytes ? fromBase64(bytes) : encode(data)) });
    },
    connect: ({ made }) => made.connect(),
    disconnect: ({ made }) => made.disconnect(),
    subscribe({ made }, { client, channel, asksToken, options }) {
      let subscription = made.getSubscription(channel);
      if (!subscription) {
        const more = asksToken ? { getToken: tokens(client) } : {};
        subscription = made.newSubscription(channel, { minResubscribeDelay: 50, maxResubscribeDelay: 500, ...options, ...more });
        named(OF_SERVER, subscription, client, { channel });
        named(["error"], subscription, client, { channel, isSubscription: true });
      }
      subscription.subscribe();
    },
    unsubscribe: ({ made }, { channel }) => made.getSubscription(channel).unsubscribe(),
    publish: ({ made, payload }, order) => made.publish(order.channel, payload(order)),
    presence: async ({ made }, { channel }) => {
      const { clients: there } = await made.presence(channel);
      const infos = Object.values(there);
      return { clients: infos.map((info) => ({ ...info, connInfo: plain(info.connInfo) })) };
    },
    presenceStats: ({ made }, { channel }) => made.presenceStats(channel),
    history: async ({ made }, { channel, options }) => {
      const { publications, ...position } = await made.history(channel, options);
      return { ...position, publications: publications.map((one) => ({ ...one, data: plain(one.data) })) };
    },
    rpc: async ({ made, payload }, order) => ({ data: plain((await made.rpc(order.method, payload(order))).data) }),
    send: ({ made, payload }, order) => made.send(payload(order)),
    batch({ made, payload }, { channel, values }) {
      // All of these are one message.
      made.startBatching();
      const all = values.map((data) => made.publish(channel, payload({ data })));
      made.stopBatching();
      return Promise.all(all).then((answers) => answers.length);
    },
    token(_, { ask, token }) {
      asked.get(ask).resolve(token);
      asked.delete(ask);
    },
  };

  return async ({ id, order, ...details }) => {
    try {
      const ok = order === "make" ? orders.make(details) : await orders[order](clients.get(details.client), details);
      tell({ id, ok: ok ?? null });
    } catch (error) {
      tell({ id, failed: { code: error?.code ?? null, message: String(error?.message ?? error) } });
    }
  };
}
