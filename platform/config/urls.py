"""Addresses. Each app names its own pages; the names are the contract between the apps."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from config.views import docs, home, status

handler400 = "webui.views.errors.bad_request"
handler403 = "webui.views.errors.permission_denied"
handler404 = "webui.views.errors.page_not_found"
handler500 = "webui.views.errors.server_error"

# One door: the sign-in page counts wrong tries, Django's own form for the administration does not.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", home.home, name="home"),
    path("about/", home.about, name="about"),
    path("docs/<slug:name>/", docs.document, name="document"),
    path("favicon.ico", home.favicon),
    path("robots.txt", home.robots),
    path("status/", status.status, name="status"),
    path("healthz", status.healthz, name="healthz"),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("", include("labs.urls")),
    path("", include("submissions.urls")),
    path("", include("portfolios.urls")),
    path("admin/", admin.site.urls),
]
