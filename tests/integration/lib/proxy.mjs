// proxy.mjs – a TCP relay between hookline and PostgreSQL, to be cut, held up, or not there at all.

import net from 'node:net';

/** Gives {url, listen(), close(), cut(), hold(), release(), dropAnswers(), connections()} for a postgresql:// URL. */
export async function proxyTo(databaseUrl) {
    const target = new URL(databaseUrl);
    const pairs = new Set();
    let held = false;
    let dropping = false;

    const server = net.createServer((client) => {
        const upstream = net.connect(Number(target.port), target.hostname);
        const pair = {client, upstream};
        pairs.add(pair);
        const end = () => {
            client.destroy();
            upstream.destroy();
            pairs.delete(pair);
        };
        client.on('data', (bytes) => upstream.write(bytes));
        upstream.on('data', (bytes) => {
            if (dropping) end();
            else client.write(bytes);
        });
        for (const socket of [client, upstream]) socket.on('close', end).on('error', end);
        if (held) pause(pair);
    });

    const listen = (port = 0) =>
        new Promise((resolve, reject) => {
            server.once('error', reject);
            server.listen(port, '127.0.0.1', () => resolve(server.address().port));
        });
    const port = await listen();
    const url = new URL(databaseUrl);
    url.port = port;

    const cut = () => {
        for (const {client, upstream} of pairs) {
            client.destroy(); // not resetAndDestroy(): Node 18 may then never exit
            upstream.destroy();
        }
        pairs.clear();
    };
    return {
        url: url.href,
        connections: () => pairs.size,
        /** Takes connections again, on the same port. */
        listen: () => listen(port),
        /** Refuses connections, and cuts those that there are. */
        close: () =>
            new Promise((resolve) => {
                server.close(resolve);
                cut();
            }),
        cut,
        /** Nothing passes in either direction, and nobody is told. */
        hold: () => {
            held = true;
            for (const pair of pairs) pause(pair);
        },
        release: () => {
            held = false;
            for (const {client, upstream} of pairs) {
                client.resume();
                upstream.resume();
            }
        },
        /** From now on what PostgreSQL answers never arrives: the connection is cut instead. */
        dropAnswers: (drop = true) => {
            dropping = drop;
        },
    };
}

function pause({client, upstream}) {
    client.pause();
    upstream.pause();
}
