"""Users and roles, for operators."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm

from accounts.models import User

admin.site.site_header = "Seatrial administration"
admin.site.site_title = "Seatrial"
admin.site.index_title = "Records"


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    """People with their roles. Closing an account keeps its runs."""

    form = UserChangeForm
    list_display = (
        "handle",
        "display_name",
        "email",
        "role",
        "is_staff",
        "is_active",
        "last_login",
    )
    list_filter = ("role", "is_staff", "is_active")
    search_fields = ("handle", "display_name", "email")
    ordering = ("handle",)
    filter_horizontal = ()
    readonly_fields = ("date_joined", "last_login")
    fieldsets = (
        (None, {"fields": ("handle", "password")}),
        ("Person", {"fields": ("display_name", "email")}),
        ("Rights", {"fields": ("role", "is_staff", "is_superuser", "is_active")}),
        ("Dates", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("handle", "email", "role", "usable_password", "password1", "password2"),
            },
        ),
    )
