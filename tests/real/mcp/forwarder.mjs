// Adds a bearer token to every request, for clients that cannot.
//
//   node forwarder.mjs URL TOKEN
//
// It listens on a free port of the loopback interface, and says where in a
// line READY http://127.0.0.1:PORT. Everything else of a request and of its
// answer goes through unchanged, as it comes.
//
// With EXIT_WITH_STDIN=1 the process ends when its standard input does.

import { createServer, request } from 'node:http';

const [url, token] = process.argv.slice(2);

const server = createServer((incoming, response) => {
  const { method, url: path, headers } = incoming;
  const authorization = `Bearer ${token}`;
  const options = { method, path, headers: { ...headers, authorization } };
  const outgoing = request(url, options, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
});

server.listen(0, '127.0.0.1', () => {
  console.log(`READY http://127.0.0.1:${server.address().port}`);
});

if (process.env.EXIT_WITH_STDIN === '1') {
  process.stdin.on('close', () => process.exit(0)).resume();
}
