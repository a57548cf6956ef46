"""Settings of the site.

Every variable that is read here stands in docs/operator.md; a test keeps it so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.env import database, email, envbool, envint, envlist, envsecret, envstr, packages

ROOT = Path(__file__).resolve().parents[2]

# --- where and how ---
SEATRIAL_HOME = Path(envstr("SEATRIAL_HOME", str(ROOT / "var"))).expanduser().resolve()
SEATRIAL_CONTENT = Path(envstr("SEATRIAL_CONTENT", str(ROOT / "content"))).expanduser().resolve()
SEATRIAL_PRODUCTION = envbool("SEATRIAL_PRODUCTION", False)
DEBUG = envbool("SEATRIAL_DEBUG", False)
if DEBUG and SEATRIAL_PRODUCTION:
    raise ImproperlyConfigured(
        "SEATRIAL_DEBUG shows secrets to visitors. Turn it off, or SEATRIAL_PRODUCTION."
    )
SECRET_KEY = envsecret("SEATRIAL_SECRET_KEY", home=SEATRIAL_HOME, production=SEATRIAL_PRODUCTION)

SEATRIAL_BASE_URL = envstr("SEATRIAL_BASE_URL", "http://localhost:8000").rstrip("/")
_base = urlsplit(SEATRIAL_BASE_URL)
if _base.scheme not in {"http", "https"} or not _base.hostname:
    raise ImproperlyConfigured("SEATRIAL_BASE_URL must look like https://lab.example.org.")
_local = [] if SEATRIAL_PRODUCTION else ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = envlist("SEATRIAL_ALLOWED_HOSTS", [*_local, _base.hostname])
if SEATRIAL_PRODUCTION and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("SEATRIAL_ALLOWED_HOSTS must name the hosts in production, not '*'.")
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _base.scheme == "https"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "webui.views.errors.csrf_failure"

# Proxies in front of the site that add themselves to X-Forwarded-For; rate limits count the
# visitor, not the proxy.
ALLAUTH_TRUSTED_PROXY_COUNT = envint("SEATRIAL_PROXIES", 0, low=0, high=5)
if ALLAUTH_TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- applications ---
INSTALLED_APPS = [
    "webui",
    "accounts",
    "labs",
    "submissions",
    "portfolios",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "django_htmx",
]
MIDDLEWARE = [
    "webui.middleware.private_pages",
    "django.middleware.security.SecurityMiddleware",
    "webui.middleware.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webui.context.site",
            ],
            "builtins": ["webui.templatetags.webui"],
        },
    }
]

# --- data ---
DATABASES = {
    "default": database(envstr("DATABASE_URL", f"sqlite:///{SEATRIAL_HOME / 'seatrial.sqlite3'}"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# --- accounts ---
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "lab_list"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "handle"
ACCOUNT_USERNAME_VALIDATORS = "accounts.models.HANDLE_VALIDATORS"
ACCOUNT_USERNAME_BLACKLIST = [
    "admin",
    "administrator",
    "root",
    "seatrial",
    "staff",
    "support",
    "system",
]
ACCOUNT_USERNAME_MIN_LENGTH = 2
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Seatrial: "
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "add_email": "accounts.forms.AddEmailForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
    "change_password": "accounts.forms.ChangePasswordForm",
}
SEATRIAL_PACKAGES = packages()
SEATRIAL_PUBLISH = envstr("SEATRIAL_PUBLISH", "proven")
if SEATRIAL_PUBLISH not in ("all", "proven"):
    raise ImproperlyConfigured("SEATRIAL_PUBLISH must be all or proven.")
SEATRIAL_UPLOADS_AN_HOUR = envint("SEATRIAL_UPLOADS_AN_HOUR", 60, low=1, high=100_000)
SEATRIAL_UPLOADS_MB = envint("SEATRIAL_UPLOADS_MB", 500, low=20, high=1_000_000)
SEATRIAL_SIGNUP = envbool("SEATRIAL_SIGNUP", True)
DEFAULT_FROM_EMAIL = f"Seatrial <seatrial@{_base.hostname or 'localhost'}>"
vars().update(email(envstr("SEATRIAL_EMAIL_URL", "console:")))

# --- tasks: the database is the truth, the broker is a bell ---
SEATRIAL_BROKER_URL = envstr("SEATRIAL_BROKER_URL", "filesystem://")
CELERY_BROKER_URL = SEATRIAL_BROKER_URL
if SEATRIAL_BROKER_URL.startswith("filesystem:"):
    _broker = SEATRIAL_HOME / "broker"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(_broker / "queue"),
        "data_folder_out": str(_broker / "queue"),
        "control_folder": str(_broker / "control"),
        "store_processed": False,
        "polling_interval": 0.5,
    }
elif SEATRIAL_BROKER_URL.startswith(("redis:", "rediss:")):
    # Unacknowledged messages come back after this; the sweep would find the run anyway.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
elif not SEATRIAL_BROKER_URL.startswith(("amqp:", "amqps:", "memory:")):
    raise ImproperlyConfigured(
        "SEATRIAL_BROKER_URL must start with filesystem://, redis:// or amqp://."
    )
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

# --- cache: rate limits need one that all web processes share, also while the broker is away ---
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": SEATRIAL_HOME / "cache",
    }
}

# --- static files, security, language, log ---
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "webui.formats"
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": envstr("SEATRIAL_LOG_LEVEL", "INFO")},
}
