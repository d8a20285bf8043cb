// Logs in and refreshes with proofs of the npm package dpop. Prints one line of JSON.
import { generateKeyPair, generateProof } from 'dpop'

const [base, username, password, alg, behindMs] = process.argv.slice(2)
const now = Date.now
Date.now = () => now() - Number(behindMs)
const keys = await generateKeyPair(alg)
let nonce
const statuses = []

async function post(path, body, proven = true) {
  const headers = { 'Content-Type': 'application/json' }
  if (proven) headers.DPoP = await generateProof(keys, base + path, 'POST', nonce)
  const answer = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) })
  statuses.push(answer.status)
  nonce = answer.headers.get('DPoP-Nonce') ?? nonce
  const said = await answer.json()
  return said.error === 'use_dpop_nonce' ? post(path, body) : said
}

let tokens = await post('/login', { username, password })
const first = tokens
for (let refreshes = 0; refreshes < 3; refreshes++) {
  tokens = await post('/refresh', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
}
const unproven = await post('/refresh', { refresh_token: tokens.refresh_token }, false)
console.log(JSON.stringify({ statuses, tokens, first, unproven }))
