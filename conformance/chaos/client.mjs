// The TypeScript client as a reader and a publisher: for Node and for a page. What it tells has the
// form of `holdwire sub --json`.

/** Reads channels and tells of all that comes. */
export function read(Client, { url, channels, options }, tell) {
  const client = new Client(url, options);
  client.ondown = () => tell({ lost: true });
  for (const channel of channels) {
    const subscription = client.subscribe(channel);
    const place = ({ epoch, offset }) => ({ epoch, offset });
    subscription.onsubscribed = ({ position, recovered }) =>
      tell({ channel, subscribed: { ...place(position), recovered } });
    subscription.onpublication = (publication) =>
      tell({ channel, publication: { ...place(publication), data: publication.data } });
    subscription.ongap = ({ reason, from, to, position }) =>
      tell({ channel, gap: { reason, from, to, ...place(position) } });
    subscription.onended = ({ code, reason }) => tell({ channel, ended: { code, reason } });
  }
}

/** Publishes what it is given and tells where each stands; `end` waits for all answers. */
export function publisher(Client, { url, options }, tell) {
  const client = new Client(url, options);
  const waiting = new Set();
  return {
    publish(channel, data) {
      const key = data.split(" ")[0];
      const published = client.publish(channel, data).then(
        ({ position: { epoch, offset } }) => tell({ published: { channel, key, epoch, offset } }),
        ({ known }) => tell({ failed: { key, known } }),
      );
      waiting.add(published);
      published.finally(() => waiting.delete(published));
    },
    async end() {
      await Promise.all(waiting);
      client.close();
    },
  };
}
