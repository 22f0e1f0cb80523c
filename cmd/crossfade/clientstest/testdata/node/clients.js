// Node's session clients behind express-session, asked over standard input (see
// script_test.go). Each connection is a site of its own with one client.
'use strict'
const http = require('http')
const readline = require('readline')
const session = require('express-session')

const [, , name, addr] = process.argv
const [host, port] = addr.split(':')

// memjs comes without a session store: this is the smallest that serves.
class MemjsStore extends session.Store {
  constructor (client) { super(); this.client = client }
  get (id, cb) { this.client.get('memjs:' + id, (err, v) => cb(err, v ? JSON.parse(v) : null)) }
  set (id, s, cb) { this.client.set('memjs:' + id, JSON.stringify(s), { expires: 1440 }, err => cb(err)) }
  touch (id, s, cb) { this.client.touch('memjs:' + id, 1440, err => cb(err)) }
  destroy (id, cb) { this.client.delete('memjs:' + id, err => cb(err)) }
}

const made = {
  'connect-redis, redis': async () => {
    const { RedisStore } = require('connect-redis')
    const client = require('redis').createClient({ url: `redis://${addr}` })
    client.on('error', () => {})
    await client.connect()
    return [new RedisStore({ client, ttl: 1440 }), () => client.destroy()]
  },
  'connect-redis, ioredis': async () => ioredis(require('ioredis')),
  'connect-redis, ioredis 6': async () => ioredis(require('ioredis-6')),
  'connect-memcached': async () => {
    const Store = require('connect-memcached')(session)
    return [new Store({ hosts: [addr], ttl: 1440 }), () => {}]
  },
  memjs: async () => {
    const client = require('memjs').Client.create(addr, { timeout: 10, retries: 1 })
    return [new MemjsStore(client), () => client.quit()]
  }
}

async function ioredis (lib) {
  const { default: RedisStore } = require('connect-redis-7')
  const client = new (lib.Redis || lib)({ host, port: Number(port), maxRetriesPerRequest: 1 })
  client.on('error', () => {})
  await client.ping()
  return [new RedisStore({ client, ttl: 1440 }), () => client.disconnect()]
}

const packages = {
  'connect-redis, redis': ['connect-redis', 'redis'],
  'connect-redis, ioredis': ['connect-redis-7', 'ioredis'],
  'connect-redis, ioredis 6': ['connect-redis-7', 'ioredis-6'],
  'connect-memcached': ['connect-memcached', 'memcached'],
  memjs: ['memjs']
}

// version reads package.json past the exports that would hide it.
const version = p => {
  for (const dir of module.paths.concat((process.env.NODE_PATH || '').split(':'))) {
    try { return JSON.parse(require('fs').readFileSync(`${dir}/${p}/package.json`)).version } catch (e) {}
  }
  return '?'
}

const promised = f => new Promise((resolve, reject) => f(err => err ? reject(err) : resolve()))

async function page (req, res) {
  const q = Object.fromEntries(new URL(req.url, 'http://site').searchParams)
  const s = req.session
  if (q.op === 'login') {
    s.user = q.user
    s.n = 0
  } else if (s.user === undefined) {
    return { missing: true }
  }
  if (q.op === 'click') {
    await new Promise(resolve => setTimeout(resolve, Number(q.hold)))
    s.n++
  } else if (q.op === 'renew') {
    const { user, n } = s
    await promised(done => s.regenerate(done))
    Object.assign(req.session, { user, n })
  } else if (q.op === 'logout') {
    const { user, n } = s
    await promised(done => s.destroy(done))
    return { user, n }
  }
  return { user: req.session.user, n: req.session.n }
}

async function site () {
  const [store, end] = await made[name]()
  const middleware = session({ store, secret: 'clicks', resave: false, saveUninitialized: false, cookie: { maxAge: 1440e3 } })
  const server = http.createServer((req, res) => {
    const fail = err => { res.statusCode = 500; res.end(JSON.stringify({ error: String(err && err.message || err) })) }
    // What fails when the answer is on its way, the middleware gives here too.
    middleware(req, res, err => {
      if (err) return fail(err)
      page(req, res).then(a => res.end(JSON.stringify(a)), fail)
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { at: server.address().port, end: () => { server.close(); server.closeAllConnections(); end() } }
}

const sites = {}

async function answer (q) {
  if (q.op === 'version') return { note: packages[name].map(version).join(', '), runtime: process.version }
  const { at } = await (sites[q.conn] ??= site())
  const query = new URLSearchParams({ op: q.op, user: q.user || '', hold: q.hold || 0 })
  const res = await fetch(`http://127.0.0.1:${at}/?${query}`, { headers: q.id ? { cookie: `connect.sid=${q.id}` } : {} })
  const text = await res.text()
  let a
  try { a = JSON.parse(text) } catch (e) { return { error: text.slice(0, 300) || String(e) } }
  for (const c of res.headers.getSetCookie()) {
    const m = /^connect\.sid=([^;]*)/.exec(c)
    if (m) a.id = m[1]
  }
  return a
}

readline.createInterface({ input: process.stdin })
  .on('line', line => {
    const q = JSON.parse(line)
    answer(q).catch(e => ({ error: String(e && e.message || e) }))
      .then(a => process.stdout.write(JSON.stringify({ ...a, seq: q.seq }) + '\n'))
  })
  .on('close', () => process.exit(0))
