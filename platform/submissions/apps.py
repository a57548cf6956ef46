from django.apps import AppConfig


class SubmissionsConfig(AppConfig):
    name = "submissions"
    verbose_name = "Submissions and runs"

    def ready(self) -> None:
        from labs import progress
        from submissions import notices, signals
        from submissions.progress import OwnProgress

        progress.provide(OwnProgress())
        signals.run_finished.connect(notices.mail_the_learner, dispatch_uid="mail the learner")
