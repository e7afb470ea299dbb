// A real authorization server for MCP clients, on the loopback interface alone.
//
//   node provider.mjs
//
// It picks a free port and writes one line to standard output:
//
//   READY http://127.0.0.1:PORT
//
// Whoever comes may register, without a token. There is nobody to ask: it takes
// every browser for that of `alice`, who grants what a client asks for. Tokens
// are JWTs (RS256) for the resource that was named, which is any `/mcp` of the
// loopback interface; without a resource there is none. The first one of a
// client lasts for five minutes, and all that follow for an hour.
//
// The client `service` (secret `service-secret`, HTTP Basic) gets tokens
// without a browser, by the client_credentials grant.
//
// With EXIT_WITH_STDIN=1 the process ends when its standard input does.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider, errors } from 'oidc-provider';

// Its notices go to console.info; standard output is for the READY line.
console.info = console.error;

const SCOPE = 'mcp:use files:delete';
const RESOURCE = /^http:\/\/127\.0\.0\.1:[0-9]+\/mcp$/;
const FIRST_SECONDS = 300;
const LATER_SECONDS = 3600;

const served = new Set(); // the clients that have had a token

function newProvider(issuer) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'service',
      client_secret: 'service-secret',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    }],
    // A client registers with the scope that it needs first, and later steps up.
    extraClientMetadata: {
      properties: ['scope'],
      validator(ctx, key, value, metadata) {
        delete metadata.scope;
      },
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(ctx, resource) {
          if (!RESOURCE.test(resource)) throw new errors.InvalidTarget();
          return {
            accessTokenFormat: 'jwt',
            audience: resource,
            jwt: { sign: { alg: 'RS256' } },
            scope: SCOPE,
          };
        },
      },
    },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: 'rsa' }] },
    scopes: ['offline_access', ...SCOPE.split(' ')],
    ttl: {
      AccessToken(ctx, token, client) {
        const seconds = served.has(client.clientId) ? LATER_SECONDS : FIRST_SECONDS;
        served.add(client.clientId);
        return seconds;
      },
    },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider;
}

// Logs `alice` in and lets her consent, both at once.
async function approve(provider, request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: 'alice', clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  if (params.resource) grant.addResourceScope(params.resource, params.scope);
  const result = { login: { accountId: 'alice' }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result);
}

let provider;
let serve;

const server = createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    serve(request, response);
    return;
  }
  approve(provider, request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = newProvider(issuer);
  serve = provider.callback();
  console.log(`READY ${issuer}`);
});

if (process.env.EXIT_WITH_STDIN === '1') {
  process.stdin.on('close', () => process.exit(0)).resume();
}
