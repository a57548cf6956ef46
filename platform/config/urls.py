"""Addresses. Each app names its own pages; the names are the contract between the apps."""

from django.contrib import admin
from django.urls import include, path

from config.views import home, status

handler400 = "webui.views.errors.bad_request"
handler403 = "webui.views.errors.permission_denied"
handler404 = "webui.views.errors.page_not_found"
handler500 = "webui.views.errors.server_error"

urlpatterns = [
    path("", home.home, name="home"),
    path("status/", status.status, name="status"),
    path("healthz", status.healthz, name="healthz"),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("", include("labs.urls")),
    path("", include("submissions.urls")),
    path("", include("portfolios.urls")),
    path("admin/", admin.site.urls),
]
