from django.apps import AppConfig


class PortfoliosConfig(AppConfig):
    name = "portfolios"

    def ready(self) -> None:
        from portfolios.receivers import follow_regrade
        from submissions.signals import regrade_published

        regrade_published.connect(follow_regrade, dispatch_uid="portfolios.follow_regrade")
