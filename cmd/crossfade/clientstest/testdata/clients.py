"""Python's session clients, asked over standard input (see script_test.go).

Each connection is a thread with a client of its own.
"""
import json
import queue
import secrets
import sys
import threading
import time

name, addr, folder = sys.argv[1:4]
host, port = addr.split(":")
LIFE = 1440


class Pymemcache:
    """A site's own sessions: JSON under a key, changed by its token."""

    def __init__(self):
        import pymemcache
        self.version = pymemcache.__version__
        self.c = pymemcache.Client((host, int(port)), timeout=10)

    def ask(self, q):
        op, c = q["op"], self.c
        if op == "login":
            sid = secrets.token_hex(16)
            s = {"user": q["user"], "n": 0}
            if not c.add("own:" + sid, json.dumps(s), expire=LIFE, noreply=False):
                return {"error": "add"}
            return {**s, "id": sid}
        key = "own:" + q["id"]
        if op == "look":
            raw = c.get(key)
            return json.loads(raw) if raw else {"missing": True}
        if op == "click":
            while True:
                raw, token = c.gets(key)
                if raw is None:
                    return {"missing": True}
                s = json.loads(raw)
                time.sleep(q.get("hold", 0) / 1000)
                s["n"] += 1
                if c.cas(key, json.dumps(s), token, expire=LIFE, noreply=False):
                    return s
        raw = c.get(key)
        if raw is None:
            return {"missing": True}
        s = json.loads(raw)
        if op == "renew":
            sid = secrets.token_hex(16)
            c.set("own:" + sid, raw, expire=LIFE)  # without an answer, as is its default
            if not c.touch("own:" + sid, LIFE, noreply=False):
                return {"error": "touch"}
            s["id"] = sid
        if not c.delete(key, noreply=False):
            return {"error": "delete"}
        return s


class RedisPy:
    """A site's own sessions: JSON under a key, behind redis-py's lock."""

    def __init__(self):
        import redis
        self.version = redis.__version__
        self.r = redis.Redis(host, int(port), socket_timeout=10)

    def ask(self, q):
        op, r = q["op"], self.r
        if op == "login":
            sid = secrets.token_hex(16)
            s = {"user": q["user"], "n": 0}
            if not r.set("own:" + sid, json.dumps(s), ex=LIFE, nx=True):
                return {"error": "set nx"}
            return {**s, "id": sid}
        key = "own:" + q["id"]
        if op == "look":
            raw = r.get(key)
            if raw is None:
                return {"missing": True}
            r.expire(key, LIFE)
            return json.loads(raw)
        with r.lock("own-lock:" + q["id"], timeout=30, sleep=0.005, blocking_timeout=25):
            raw = r.get(key)
            if raw is None:
                return {"missing": True}
            s = json.loads(raw)
            if op == "click":
                time.sleep(q.get("hold", 0) / 1000)
                s["n"] += 1
                r.setex(key, LIFE, json.dumps(s))
                return s
            if op == "renew":
                s["id"] = secrets.token_hex(16)
                r.setex("own:" + s["id"], LIFE, raw)
            if r.delete(key) != 1:
                return {"error": "del"}
            return s


def django_site():
    """A Django site with the session middleware; one for all threads."""
    import django
    from django.conf import settings
    from django.http import JsonResponse
    from django.urls import path

    engine = "cached_db" if "cached_db" in name else "cache"
    if "redis" in name:
        import django_redis
        version = "%s, django-redis %s" % (django.get_version(), ".".join(map(str, django_redis.VERSION)))
        cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://%s/1" % addr}
    else:
        import pymemcache
        version = "%s, pymemcache %s" % (django.get_version(), pymemcache.__version__)
        cache = {"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache", "LOCATION": addr, "OPTIONS": {"timeout": 10}}

    def page(request):
        op, s = request.GET["op"], request.session
        if op == "login":
            s["user"], s["n"] = request.GET["user"], 0
        elif "user" not in s:
            return JsonResponse({"missing": True})
        if op == "click":
            time.sleep(int(request.GET["hold"]) / 1000)
            s["n"] += 1
        elif op == "renew":
            s.cycle_key()
        told = {"user": s["user"], "n": s["n"]}
        if op == "logout":
            s.flush()
        return JsonResponse(told)

    settings.configure(
        SECRET_KEY="clicks", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["django.contrib.sessions"], MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends." + engine, SESSION_COOKIE_AGE=LIFE, CACHES={"default": cache}, LOGGING_CONFIG=None,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder + "/site.db", "OPTIONS": {"timeout": 60}}},
    )
    globals()["urlpatterns"] = [path("", page)]
    django.setup()
    # A slow disk is not what is tried here.
    from django.db.backends.signals import connection_created
    connection_created.connect(lambda connection, **_: connection.cursor().execute("PRAGMA synchronous = OFF"), weak=False)
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    from django.test import Client

    class Site:
        def __init__(self):
            self.version = version

        def ask(self, q):
            c = Client(raise_request_exception=True)
            if q.get("id"):
                c.cookies["sessionid"] = q["id"]
            a = c.get("/", {"op": q["op"], "user": q.get("user", ""), "hold": q.get("hold", 0)})
            said = json.loads(a.content)
            if "sessionid" in a.cookies and a.cookies["sessionid"].value:
                said["id"] = a.cookies["sessionid"].value
            return said

    return Site


# Here, and not in a thread: what is not installed ends it at once.
__import__({"pymemcache": "pymemcache", "redis-py": "redis"}.get(name, "django"))
make = {"pymemcache": Pymemcache, "redis-py": RedisPy}.get(name) or django_site()
out = threading.Lock()


def serve(questions):
    site = make()
    for q in iter(questions.get, None):
        try:
            a = {"note": site.version} if q["op"] == "version" else site.ask(q)
        except Exception as e:  # what a user would see
            a = {"error": "%s: %s" % (type(e).__name__, e)}
        with out:
            print(json.dumps({**a, "seq": q["seq"]}), flush=True)


threads = {}
for line in sys.stdin:
    q = json.loads(line)
    if q["conn"] not in threads:
        threads[q["conn"]] = queue.SimpleQueue()
        threading.Thread(target=serve, args=(threads[q["conn"]],), daemon=True).start()
    threads[q["conn"]].put(q)
