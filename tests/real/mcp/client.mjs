// An MCP client that starts with nothing but an address.
//
//   node client.mjs REVISION URL TOOL...
//
// REVISION is 2026-07-28, for `@modelcontextprotocol/client`, or 2025-11-25,
// for `@modelcontextprotocol/sdk`. The tools are called one after the other on
// the same connection. What came of it goes to standard output as JSON:
//
//   {"revision": …, "results": [TEXT…], "logins": [SCOPE…], "registrations": N}
//
// The SDKs find the authorization server, register, and decide when to log in
// and with which scope. What is here is what they leave to an application: to
// keep what they learn, to be the browser, and to try again after a login.

const [revision, url, ...tools] = process.argv.slice(2);

const MODERN = '2026-07-28';
const REDIRECT = 'http://127.0.0.1:9/callback'; // nobody listens: it is read, never visited

async function sdk() {
  if (revision === MODERN) return import('@modelcontextprotocol/client');
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const { UnauthorizedError } = await import('@modelcontextprotocol/sdk/client/auth.js');
  const { StreamableHTTPClientTransport } =
    await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
  return { Client, StreamableHTTPClientTransport, UnauthorizedError };
}

// Follows an authorization request through the pages of the provider to the
// answer that the redirect carries.
async function browse(from) {
  const cookies = new Map();
  let at = from;
  for (let pages = 0; pages < 10; pages += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(at, { headers: { cookie }, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (!location) throw new Error(`${response.status} at ${at}: ${await response.text()}`);
    at = new URL(location, at);
    if (at.href.startsWith(REDIRECT)) return at.searchParams;
  }
  throw new Error('too many redirects');
}

class Login {
  logins = [];
  registrations = 0;
  redirectUrl = REDIRECT;
  clientMetadata = {
    client_name: 'client.mjs',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [REDIRECT],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };

  #client;
  #tokens;
  #verifier;
  #discovered;
  #answer;

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(client) {
    if (client.client_id !== this.#client?.client_id) this.registrations += 1;
    this.#client = client;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  codeVerifier() {
    return this.#verifier;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  discoveryState() {
    return this.#discovered;
  }

  saveDiscoveryState(state) {
    this.#discovered = state;
  }

  async redirectToAuthorization(address) {
    this.logins.push(address.searchParams.get('scope'));
    this.#answer = await browse(address);
  }

  // Hands the answer of the last login to a transport.
  finish(transport) {
    const answer = this.#answer;
    if (!answer.has('code')) throw new Error(`refused: ${answer}`);
    return transport.finishAuth(revision === MODERN ? answer : answer.get('code'));
  }
}

const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await sdk();
const login = new Login();
const newTransport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: login });

async function connect() {
  const options = revision === MODERN ? { versionNegotiation: { mode: { pin: MODERN } } } : {};
  for (let attempt = 1; ; attempt += 1) {
    const client = new Client({ name: 'client.mjs', version: '1.0.0' }, options);
    const transport = newTransport();
    try {
      await client.connect(transport);
      return { client, transport };
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || attempt === 2) throw error;
      await login.finish(transport);
    }
  }
}

async function call({ client, transport }, name) {
  const request = { name, arguments: {} };
  try {
    return await client.callTool(request);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await login.finish(transport);
    return client.callTool(request);
  }
}

const connection = await connect();
const results = [];
for (const tool of tools) {
  const { content, isError } = await call(connection, tool);
  if (isError) throw new Error(`${tool}: ${JSON.stringify(content)}`);
  results.push(content[0].text);
}
const { client, transport } = connection;
const negotiated = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
await client.close();
const { logins, registrations } = login;
console.log(JSON.stringify({ revision: negotiated, results, logins, registrations }));
