from django.urls import path

from labs.views import lab_detail, lab_list, starter

urlpatterns = [
    path("labs/", lab_list.lab_list, name="lab_list"),
    path("labs/<slug:slug>/", lab_detail.lab_detail, name="lab_detail"),
    path("labs/<slug:slug>/starter.zip", starter.starter, name="starter"),
]
