// Mints access tokens and publishes their keys as jose does it: one line of JSON, {jwks, tokens}.
import { SignJWT, exportJWK, generateKeyPair } from 'jose'

const [issuer, audience] = process.argv.slice(2)
const keys = []
const tokens = {}
for (const alg of ['RS256', 'ES256', 'EdDSA', 'Ed25519', 'ES512']) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `jose-${alg}`
  keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
  tokens[alg] = await new SignJWT({ client_id: 'app', scope: 'read', jti: kid, tenant: 'acme' })
    .setProtectedHeader({ alg, kid, typ: 'application/at+jwt' })
    .setIssuer(issuer)
    .setAudience([audience, 'https://other.example'])
    .setSubject('a user of jose')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)
}
console.log(JSON.stringify({ jwks: { keys }, tokens }))
