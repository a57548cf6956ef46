from django.urls import path

from accounts import views

urlpatterns = [
    path("theme/", views.theme, name="theme"),
    path("first/<str:token>/", views.first, name="first"),
]
