from django.urls import path

from submissions.views import (
    actions,
    evidence,
    regrade,
    run_detail,
    run_events,
    run_list,
    submit,
    teach,
)

urlpatterns = [
    path("labs/<slug:slug>/submit", submit.submit, name="submit"),
    path("runs/", run_list.run_list, name="run_list"),
    path("runs/<int:pk>/", run_detail.run_detail, name="run_detail"),
    path("runs/<int:pk>/events", run_events.run_events, name="run_events"),
    path("runs/<int:pk>/cancel", actions.run_cancel, name="run_cancel"),
    path("runs/<int:pk>/regrade", actions.run_regrade, name="run_regrade"),
    path("runs/<int:pk>/hand-in", actions.run_hand_in, name="run_hand_in"),
    path("runs/<int:pk>/mail", actions.run_mail, name="run_mail"),
    path("runs/<int:pk>/evidence/<str:name>", evidence.run_evidence, name="run_evidence"),
    path("teach/", teach.teach, name="teach"),
    path("teach/versions/<int:pk>/", teach.teach_version, name="teach_version"),
    path("teach/versions/<int:pk>/regrade", regrade.regrade_start, name="regrade_start"),
    path("teach/regrades/<int:pk>/", regrade.regrade_detail, name="regrade_detail"),
    path("teach/regrades/<int:pk>/end", regrade.regrade_end, name="regrade_end"),
]
