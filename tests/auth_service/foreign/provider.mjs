// An OpenID provider on loopback, node oidc-provider: its own log-in pages, in memory. One line when it is ready: its address.
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const keys = []
for (const alg of ['RS256', 'ES256']) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  keys.push({ ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `of ${alg}` })
}
const client = (id, alg) => ({
  client_id: id, id_token_signed_response_alg: alg, token_endpoint_auth_method: 'none', application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'], require_auth_time: true,
})
const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [client('app', 'RS256'), client('app of ES256', 'ES256')],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['preferred_username'] },
    conformIdTokenClaims: false, // what the userinfo endpoint says stands in the ID token, too
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, preferred_username: id }),
    }),
    cookies: { keys: ['of this test'] },
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.resume().on('end', () => process.exit())
