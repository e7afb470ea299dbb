// A real OpenID provider for the tests, on the loopback interface alone.
//
//   node provider.mjs [PORT]
//
// PORT is taken from the argument, else from the environment variable PORT;
// 0, or neither, picks a free one. When the provider listens, one line goes to
// standard output, and nothing else ever does:
//
//   READY http://127.0.0.1:PORT
//
// The client `service` (secret `service-secret`, HTTP Basic) may use the
// client_credentials grant, and so may the others. The resource
// `https://api.example.com/<alg>`, where <alg> is one of ALGORITHMS in lower
// case, yields a JWT access token signed with that algorithm. Without a
// resource the token is opaque and names no audience; the resources `opaque`
// and `brief` yield opaque tokens that do, and those of `brief` are good for
// BRIEF_SECONDS.
//
// A client may revoke its own tokens alone, and introspect its own; these are
// resource servers, which may introspect those of every client:
//
//   rs-basic    RS_SECRET, HTTP Basic
//   rs-post     RS_SECRET, in the body
//   rs-jwt      private_key_jwt with ES256, by the key src/testing/keys/p256_a.pem
//   rs-signed   RS_SECRET, HTTP Basic; its signed answers (RFC 9701) are of ES256
//
//   POST /control/rotate            new signing keys; the old ones stay published
//   POST /control/rotate?drop=old   new signing keys; the old ones are gone
//
// Both answer 204 once every later request is served with the new keys.
//
// With EXIT_WITH_STDIN=1 the process ends when its standard input does, so that
// it cannot outlive a test run that holds the other end of the pipe.

import { generateKeyPair } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

import { Provider, errors } from 'oidc-provider';

// The provider prints its notices with console.info; standard output is for the
// READY line.
console.info = console.error;

const ALGORITHMS = [
  'RS256', 'RS384', 'RS512',
  'PS256', 'PS384', 'PS512',
  'ES256', 'ES384',
  'EdDSA', // the algorithm name of RFC 8037
  'Ed25519', // the same signatures, named as in RFC 9864
];
const SCOPE = 'mcp:read mcp:write';
const TOKEN_SECONDS = 300;
const BRIEF_SECONDS = 4;
const JWTS = ALGORITHMS.map((alg) => [alg.toLowerCase(), {
  accessTokenFormat: 'jwt',
  accessTokenTTL: TOKEN_SECONDS,
  jwt: { sign: { alg } },
}]);
const RESOURCES = new Map([
  ...JWTS,
  ['opaque', { accessTokenFormat: 'opaque', accessTokenTTL: TOKEN_SECONDS }],
  ['brief', { accessTokenFormat: 'opaque', accessTokenTTL: BRIEF_SECONDS }],
].map(([name, kind]) => [`https://api.example.com/${name}`, kind]));

// Everything that Basic credentials and forms have to encode, and that a client
// secret may contain: RFC 6749 appendix A.2 leaves it nothing beyond ASCII.
const RS_SECRET = 'p@ss:w%rd +&=/?"\'~%41';
const RS_KEY = JSON.parse(readFileSync(new URL('../../src/testing/keys/public_a.json', import.meta.url)))
  .find(({ crv }) => crv === 'P-256');
const CLIENTS = [
  ['service', { client_secret: 'service-secret', token_endpoint_auth_method: 'client_secret_basic' }],
  ['rs-basic', { client_secret: RS_SECRET, token_endpoint_auth_method: 'client_secret_basic' }],
  ['rs-post', { client_secret: RS_SECRET, token_endpoint_auth_method: 'client_secret_post' }],
  ['rs-jwt', { jwks: { keys: [RS_KEY] }, token_endpoint_auth_method: 'private_key_jwt' }],
  ['rs-signed', {
    client_secret: RS_SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
    introspection_signed_response_alg: 'ES256',
  }],
].map(([id, about]) => ({
  client_id: id,
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
  ...about,
}));

const port = portFrom(process.argv[2] ?? process.env.PORT ?? '0');

function portFrom(text) {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || number > 65535) {
    console.error(`not a port: ${text}`);
    process.exit(2);
  }
  return number;
}

const newKeyPair = promisify(generateKeyPair);

// One key of each kind. None of them names an algorithm: the RSA key serves all
// six RSA algorithms, the Ed25519 key both of its names. (The provider itself
// adds `alg` to the published EC keys, which have only one.)
async function newKeys(generation) {
  const kinds = [
    ['rsa', 'rsa', { modulusLength: 2048 }],
    ['p256', 'ec', { namedCurve: 'P-256' }],
    ['p384', 'ec', { namedCurve: 'P-384' }],
    ['ed25519', 'ed25519', {}],
  ];
  return Promise.all(kinds.map(async ([name, type, options]) => {
    const { privateKey } = await newKeyPair(type, options);
    return { ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: `${name}-${generation}` };
  }));
}

// What the provider has to remember (opaque tokens) outlives a rotation.
const stored = new Map();

class Storage {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload);
  }

  async find(id) {
    return stored.get(this.key(id));
  }

  async findByUid() {}

  async findByUserCode() {}

  async consume(id) {
    const payload = stored.get(this.key(id));
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, payload] of stored) {
      if (payload.grantId === grantId) stored.delete(key);
    }
  }
}

function newProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    adapter: Storage,
    clients: CLIENTS,
    cookies: { keys: ['not used: no user ever logs in'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (ctx, { clientId }, token) =>
          clientId.startsWith('rs-') || clientId === token.clientId,
      },
      jwtIntrospection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(ctx, resource) {
          const kind = RESOURCES.get(resource);
          if (!kind) throw new errors.InvalidTarget();
          return { audience: resource, scope: SCOPE, ...kind };
        },
      },
      revocation: {
        enabled: true,
        allowedPolicy: (ctx, { clientId }, token) => clientId === token.clientId,
      },
    },
    jwks: { keys },
    scopes: SCOPE.split(' '),
    ttl: {
      // A number here would be the time of every token, whatever its resource says.
      ClientCredentials: (ctx, { resourceServer }) => resourceServer?.accessTokenTTL ?? TOKEN_SECONDS,
    },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider;
}

let generation = 1;
let keys = await newKeys(generation);
let issuer;
let serve; // the request handler of the provider that is in use

function use(newest) {
  serve = newProvider(issuer, newest).callback();
  keys = newest;
}

// Of several keys that fit, the provider signs with the first: the new keys go
// in front. Nothing changes for a request until `use` has the new provider
// ready, and then everything does at once.
async function rotate(dropOld) {
  const fresh = await newKeys(generation + 1);
  use(dropOld ? fresh : [...fresh, ...keys]);
  generation += 1;
}

let rotations = Promise.resolve(); // one after the other

function control(request, response, path, query) {
  const answer = (status, headers) => response.writeHead(status, headers).end();
  request.resume();
  if (path !== '/control/rotate') return answer(404);
  if (request.method !== 'POST') return answer(405, { allow: 'POST' });
  if (query !== '' && query !== 'drop=old') return answer(400);
  rotations = rotations
    .then(() => rotate(query === 'drop=old'))
    .then(() => answer(204), (error) => {
      console.error(error);
      answer(500);
    });
}

const server = createServer((request, response) => {
  const [path, query = ''] = request.url.split('?', 2);
  if (path.startsWith('/control/')) control(request, response, path, query);
  else serve(request, response);
});

server.listen(port, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  use(keys);
  console.log(`READY ${issuer}`);
});

if (process.env.EXIT_WITH_STDIN === '1') {
  process.stdin.on('close', () => process.exit(0)).resume();
}
