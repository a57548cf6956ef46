from django.apps import AppConfig


class PortfoliosConfig(AppConfig):
    name = "portfolios"

    def ready(self) -> None:
        from portfolios import on_runs
        from portfolios.receivers import follow_regrade
        from submissions import above
        from submissions.signals import regrade_published

        above.register("portfolios", panel=on_runs.panel, shown=on_runs.published)
        regrade_published.connect(follow_regrade, dispatch_uid="portfolios.follow_regrade")
