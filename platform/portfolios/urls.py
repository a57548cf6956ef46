from django.urls import path

from portfolios.views import entry, portfolio, publish, settings

urlpatterns = [
    path("p/<slug:handle>/", portfolio.portfolio, name="portfolio"),
    path("p/<slug:handle>/<int:pk>/", entry.entry, name="portfolio_entry"),
    path("p/<slug:handle>/<int:pk>/files/<str:name>", entry.artefact, name="portfolio_artefact"),
    path("portfolio/", settings.settings, name="portfolio_settings"),
    path("portfolio/<int:pk>/", settings.arrange, name="portfolio_arrange"),
    path("runs/<int:pk>/publish/", publish.publish, name="run_publish"),
]
