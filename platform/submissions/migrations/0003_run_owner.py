"""A run knows its learner and lab itself. Filled here, required in the next migration: PostgreSQL
alters no table in the transaction that wrote its foreign keys."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def fill(apps, _schema_editor):
    run = apps.get_model("submissions", "GradingRun")
    submission = apps.get_model("submissions", "Submission").objects.filter(
        pk=OuterRef("submission")
    )
    run.objects.update(
        learner=Subquery(submission.values("user")[:1]), lab=Subquery(submission.values("lab")[:1])
    )


class Migration(migrations.Migration):
    dependencies = [
        ("labs", "0002_planned"),
        ("submissions", "0002_regrade"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            "gradingrun",
            "learner",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            "gradingrun",
            "lab",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="labs.lab",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
