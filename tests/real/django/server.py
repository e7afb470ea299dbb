"""A real django-oauth-toolkit server for the tests, on the loopback interface alone.

    python server.py [PORT]

Without PORT, or with 0, it picks a free one. When the server listens, one line goes to standard
output, and nothing else ever does:

    READY http://127.0.0.1:PORT

That is also the issuer, whose RFC 8414 metadata lie at the usual place. The endpoints of the
toolkit lie under /o/. The client RESOURCE_SERVER has the secret RS_SECRET; the client `service`
(secret `service-secret`) owns the tokens. The toolkit lets both introspect and revoke any token.

    POST /control/token    makes a token, and answers with {"access_token": "…"}

The fields of its form, all of them optional:

    scope       what the token may do, `mcp:read mcp:write` unless given; a token with the scope
                `introspection` may introspect others
    seconds     for how long it is good, a day unless given; it has expired if less than zero
    resource    its audience; more than once for several; none unless given
    user        the name of its user, who is made if need be; nobody unless given
    owner       its client, `service` unless given; nobody if empty

With EXIT_WITH_STDIN=1 the process ends when its standard input does, so that it cannot outlive a
test run that holds the other end of the pipe.
"""

import os
import secrets
import sys
import threading
from datetime import timedelta
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

RESOURCE_SERVER = "rs:django"
# Everything that Basic credentials and forms have to encode, and a letter beyond ASCII.
RS_SECRET = "p@ss:w%rd +ü&=/?\"'~%41"
DAY = 24 * 60 * 60

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    LOGGING_CONFIG=None,
    OAUTH2_PROVIDER={
        "SCOPES": {
            "introspection": "Asks what a token may do",
            "mcp:read": "Reads",
            "mcp:write": "Writes",
            "other": "Something else",
        },
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
    USE_TZ=True,
)
django.setup()

# What follows needs the settings.
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.http import require_POST  # noqa: E402
from oauth2_provider import urls  # noqa: E402
from oauth2_provider.models import AccessToken, Application  # noqa: E402


def add_client(client_id, secret, hashed):
    return Application.objects.create(
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_id=client_id,
        client_secret=secret,
        client_type=Application.CLIENT_CONFIDENTIAL,
        hash_client_secret=hashed,
    )


@require_POST
def add_token(request):
    form = request.POST
    user = form.get("user")
    owner = form.get("owner", "service")
    token = AccessToken.objects.create(
        application=Application.objects.get(client_id=owner) if owner else None,
        expires=timezone.now() + timedelta(seconds=int(form.get("seconds", DAY))),
        resource=form.getlist("resource"),
        scope=form.get("scope", "mcp:read mcp:write"),
        token=secrets.token_urlsafe(),
        user=get_user_model().objects.get_or_create(username=user)[0] if user else None,
    )
    return JsonResponse({"access_token": token.token})


urlpatterns = [
    path("", include((urls.metadata_urlpatterns, "metadata"))),
    path("o/", include((urls.base_urlpatterns, urls.app_name))),
    path("control/token", add_token),
]


class Silent(WSGIRequestHandler):
    """Requests come one after the other, since the database lives in one thread.

    Each has a connection of its own, so that none holds up the others for longer than `timeout`.
    """

    timeout = 10

    def log_message(self, *_):
        pass


def main():
    call_command("migrate", verbosity=0)
    add_client(RESOURCE_SERVER, RS_SECRET, hashed=True)
    add_client("service", "service-secret", hashed=False)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = make_server("127.0.0.1", port, get_wsgi_application(), handler_class=Silent)
    if os.environ.get("EXIT_WITH_STDIN") == "1":
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    print(f"READY http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


main()
