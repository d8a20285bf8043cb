// Refreshes a bound session as oauth4webapi does, from the metadata on. Prints one line of JSON.
import * as oauth from 'oauth4webapi'

const [issuer, secret, sub, behindMs] = process.argv.slice(2)
const insecure = { [oauth.allowInsecureRequests]: true } // the service listens on loopback, without TLS
const client = { client_id: 'any', [oauth.clockSkew]: -Number(behindMs) / 1000 }
const server = await oauth
  .discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure })
  .then((answer) => oauth.processDiscoveryResponse(new URL(issuer), answer))
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))

// The one step that is ours: a backend opens the session, bound to the client's key.
const opened = await fetch(`${issuer}/sessions`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}` },
  body: JSON.stringify({ sub, jkt: await DPoP.calculateThumbprint() }),
})
let tokens = await opened.json()
let challenges = 0

async function refresh(refreshToken) {
  const options = { DPoP, ...insecure }
  const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options)
  try {
    return await oauth.processRefreshTokenResponse(server, client, answer)
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    challenges++
    return refresh(refreshToken)
  }
}

const seen = [tokens.refresh_token]
for (let refreshes = 0; refreshes < 3; refreshes++) {
  tokens = await refresh(tokens.refresh_token)
  seen.push(tokens.refresh_token)
}
console.log(JSON.stringify({ tokens, seen, challenges, algorithms: server.dpop_signing_alg_values_supported }))
