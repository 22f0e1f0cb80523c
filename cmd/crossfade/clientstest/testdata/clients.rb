# Ruby's session clients behind Rack, asked over standard input (see
# script_test.go). Each connection is a thread with a site of its own.
require 'json'
require 'rack'

name, addr = ARGV
LIFE = 1440

STORE = case name
        when 'redis-rack'
          require 'redis-rack'
          VERSION = "#{Redis::Rack::VERSION}, redis #{Redis::VERSION}".freeze
          ->(app) { Rack::Session::Redis.new(app, redis_server: "redis://#{addr}/0/rack:session", expire_after: LIFE) }
        when 'dalli'
          require 'rack/session/dalli'
          VERSION = Dalli::VERSION
          ->(app) { Rack::Session::Dalli.new(app, memcache_server: addr, namespace: 'dalli', expire_after: LIFE, socket_timeout: 10) }
        end

PAGE = lambda do |env|
  q = Rack::Utils.parse_nested_query(env['QUERY_STRING'])
  s = env['rack.session']
  told = nil
  if q['op'] == 'login'
    s['user'] = q['user']
    s['n'] = 0
  elsif s['user'].nil?
    env['rack.session.options'][:skip] = true
    told = { missing: true }
  end
  unless told
    if q['op'] == 'click'
      sleep(q['hold'].to_i / 1000.0)
      s['n'] += 1
    end
    told = { user: s['user'], n: s['n'] }
    env['rack.session.options'][:renew] = true if q['op'] == 'renew'
    env['rack.session.options'][:drop] = true if q['op'] == 'logout'
  end
  [200, {}, [JSON.generate(told)]]
end

def page(site, q)
  query = Rack::Utils.build_query('op' => q['op'], 'user' => q['user'].to_s, 'hold' => q['hold'].to_i)
  headers = q['id'] ? { 'HTTP_COOKIE' => "rack.session=#{q['id']}" } : {}
  res = Rack::MockRequest.new(site).get("/?#{query}", headers)
  told = JSON.parse(res.body)
  id = res['Set-Cookie'].to_s[/rack\.session=([^;\n]+)/, 1]
  told['id'] = id if id
  told
end

$stdout.sync = true
out = Mutex.new
threads = {}
$stdin.each_line do |line|
  q = JSON.parse(line)
  unless threads[q['conn']]
    questions = threads[q['conn']] = Queue.new
    Thread.new do
      site = STORE.call(PAGE)
      while (asked = questions.pop)
        begin
          a = asked['op'] == 'version' ? { note: VERSION } : page(site, asked)
        rescue StandardError => e # what a user would see
          a = { error: "#{e.class}: #{e.message}" }
        end
        out.synchronize { $stdout.write("#{JSON.generate(a.merge('seq' => asked['seq']))}\n") }
      end
    end
  end
  threads[q['conn']].push(q)
end
