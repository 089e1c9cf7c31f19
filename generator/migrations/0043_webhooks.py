import django.db.models.deletion
import django.utils.timezone
import generator.models.webhooks
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0033_audit_by_actor'),
        ('generator', '0042_samples_by_wallet'),
    ]

    operations = [
        migrations.CreateModel(
            name='WebhookEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('secret', models.CharField(max_length=300)),
                ('old_secret', models.CharField(blank=True, default='', max_length=300)),
                ('old_until', models.DateTimeField(blank=True, help_text='Until when messages are signed with it too.', null=True)),
                ('public_id', models.CharField(default=generator.models.webhooks.new_endpoint_id, max_length=40, unique=True)),
                ('url', models.CharField(max_length=500)),
                ('description', models.CharField(blank=True, default='', max_length=200)),
                ('events', models.JSONField(default=generator.models.webhooks.all_events)),
                ('state', models.CharField(choices=[('active', 'Active'), ('paused', 'Paused'), ('off', 'Switched off'), ('deleted', 'Deleted')], default='active', max_length=8)),
                ('off_because', models.CharField(blank=True, choices=[('failing', 'It failed for days'), ('gone', 'It answered 410 Gone')], default='', max_length=8)),
                ('failing_since', models.DateTimeField(blank=True, help_text='The first failure since the last success.', null=True)),
                ('last_success_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='webhook_endpoints', to='billing.wallet')),
            ],
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=generator.models.webhooks.new_message_id, help_text='The webhook-id.', max_length=40, unique=True)),
                ('event', models.CharField(choices=[('image.completed', 'Image completed'), ('image.failed', 'Image failed')], max_length=20)),
                ('url', models.CharField(help_text='Where it went last; that of an endpoint may change.', max_length=500)),
                ('host', models.CharField(help_text='Of which only so many are told at a time.', max_length=255)),
                ('lane', models.CharField(help_text='Account and host, which take turns.', max_length=280)),
                ('state', models.CharField(choices=[('pending', 'Waiting'), ('held', 'Held'), ('delivered', 'Delivered'), ('failed', 'Failed')], default='pending', max_length=10)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('claim', models.CharField(blank=True, default='', max_length=16)),
                ('begun_at', models.DateTimeField(default=django.utils.timezone.now, help_text='From when on it has a day.')),
                ('failures', models.PositiveSmallIntegerField(default=0, help_text='Since then.')),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('status', models.PositiveSmallIntegerField(blank=True, help_text='Of the last answer.', null=True)),
                ('answer', models.CharField(blank=True, default='', help_text='How the last answer began.', max_length=300)),
                ('last_error', models.CharField(blank=True, default='', max_length=300)),
                ('milliseconds', models.PositiveIntegerField(blank=True, help_text='What the last try took.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('tried_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('generation', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='webhook_deliveries', to='generator.generation')),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='webhook_deliveries', to='billing.wallet')),
                ('endpoint', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='generator.webhookendpoint')),
            ],
            options={
                'verbose_name_plural': 'webhook deliveries',
            },
        ),
        migrations.CreateModel(
            name='WebhookSigner',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('secret', models.CharField(max_length=300)),
                ('old_secret', models.CharField(blank=True, default='', max_length=300)),
                ('old_until', models.DateTimeField(blank=True, help_text='Until when messages are signed with it too.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('wallet', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='webhook_signer', to='billing.wallet')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddIndex(
            model_name='webhookendpoint',
            index=models.Index(condition=models.Q(('state', 'deleted'), _negated=True), fields=['wallet', 'id'], name='endpoint_kept'),
        ),
        migrations.AddIndex(
            model_name='webhookendpoint',
            index=models.Index(condition=models.Q(('state', 'deleted')), fields=['id'], name='endpoint_deleted'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['due_at'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(fields=['wallet', '-id'], name='delivery_log'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['wallet', '-id'], name='delivery_failed'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(fields=['endpoint', '-id'], name='delivery_by_endpoint'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(condition=models.Q(('state__in', ['pending', 'held'])), fields=['endpoint'], name='delivery_unsent_by_endpoint'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(fields=['created_at'], name='delivery_age'),
        ),
        migrations.AddConstraint(
            model_name='webhookdelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('endpoint__isnull', False), ('generation__isnull', False)), fields=('generation', 'endpoint', 'event'), name='delivery_once'),
        ),
        migrations.AddConstraint(
            model_name='webhookdelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('endpoint', None), ('generation__isnull', False)), fields=('generation', 'event'), name='delivery_once_by_request'),
        ),
    ]
