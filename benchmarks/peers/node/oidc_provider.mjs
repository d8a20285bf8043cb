// node oidc-provider with refresh token rotation, everything in memory (its own adapter for development): no disk at all.
// A public client, opaque access tokens and no ID token: the cheapest refresh that it can do. The first tokens are
// made through its own models, because its log-in is a dialogue in a browser.
import Provider from "oidc-provider";

// As many as the run needs: the adapter for development forgets the oldest of 1,000 entries.
const entries = new Map();
const grants = new Map();
class MemoryAdapter {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) {
    entries.set(this.key(id), payload);
    if (payload.grantId) grants.set(payload.grantId, [...(grants.get(payload.grantId) ?? []).slice(-8), this.key(id)]);
  }
  async find(id) { return entries.get(this.key(id)); }
  async consume(id) { entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { entries.delete(this.key(id)); }
  async revokeByGrantId(id) { for (const key of grants.get(id) ?? []) entries.delete(key); grants.delete(id); }
}

const provider = new Provider("http://127.0.0.1", {
  adapter: MemoryAdapter,
  clients: [{
    client_id: "bench", token_endpoint_auth_method: "none", application_type: "native",
    redirect_uris: ["http://127.0.0.1/callback"], response_types: ["code"],
    grant_types: ["authorization_code", "refresh_token"],
  }],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  scopes: ["openid", "offline_access", "read"],
  ttl: { AccessToken: 3600, RefreshToken: 7 * 86400, Grant: 30 * 86400 },
});

const client = await provider.Client.find("bench");
const tokens = [];
for (let n = 0; n < Number(process.env.SESSIONS); n += 1) {
  const accountId = String(n);
  const grant = new provider.Grant({ accountId, clientId: "bench" });
  grant.addOIDCScope("offline_access read");
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId, client, grantId, gty: "authorization_code", scope: "offline_access read", rotations: 0,
    iiat: Math.floor(Date.now() / 1000),
  });
  tokens.push(await token.save());
}
const server = provider.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port, tokens }));
});
server.keepAliveTimeout = 120_000;
