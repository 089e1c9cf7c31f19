import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_key_scopes'),
        ('billing', '0033_audit_by_actor'),
        ('generator', '0043_webhooks'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('request_id', models.CharField(help_text='As X-Request-Id said; of several the last.', max_length=40, unique=True)),
                ('key_prefix', models.CharField(max_length=16)),
                ('is_test', models.BooleanField(db_default=False, default=False)),
                ('method', models.CharField(max_length=10)),
                ('path', models.CharField(max_length=200)),
                ('route', models.CharField(help_text='The path with `{id}` in place of what it names.', max_length=200)),
                ('status', models.PositiveSmallIntegerField(help_text='Of the answer; 499 where the caller hung up before.')),
                ('error_code', models.CharField(blank=True, db_default='', default='', max_length=60)),
                ('duration_ms', models.PositiveIntegerField(help_text='From the request to its answer; of several the last.')),
                ('credits', models.PositiveIntegerField(db_default=0, default=0, help_text='What this call charged.')),
                ('image_id', models.CharField(blank=True, db_default='', default='', help_text='Of several the first.', max_length=40)),
                ('images', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='How many images the answer names.')),
                ('ip', models.GenericIPAddressField(blank=True, null=True)),
                ('user_agent', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('request_headers', models.JSONField(blank=True, default=dict)),
                ('answer_headers', models.JSONField(blank=True, default=dict)),
                ('request_body', models.TextField(blank=True, db_default='', default='')),
                ('request_bytes', models.PositiveIntegerField(db_default=0, default=0)),
                ('is_whole', models.BooleanField(db_default=True, default=True, help_text="The request's body is as it was sent.")),
                ('answer_body', models.TextField(blank=True, db_default='', default='')),
                ('is_look_up', models.BooleanField(db_default=False, default=False, help_text='It only read, and got an answer.')),
                ('count', models.PositiveIntegerField(db_default=1, default=1, help_text='How many calls of a kind this stands for.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When it came; of several the first.')),
                ('last_at', models.DateTimeField(blank=True, help_text='When the last of several came.', null=True)),
                ('api_key', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='api_calls', to='accounts.apikey')),
                ('wallet', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='api_calls', to='billing.wallet')),
            ],
            options={
                'indexes': [models.Index(fields=['wallet', '-created_at'], name='apicall_all'), models.Index(condition=models.Q(('is_look_up', False)), fields=['wallet', '-created_at'], name='apicall_history'), models.Index(condition=models.Q(('status__gte', 400), ('status__lt', 500)), fields=['wallet', '-created_at'], name='apicall_refused'), models.Index(condition=models.Q(('status__gte', 500)), fields=['wallet', '-created_at'], name='apicall_broken'), models.Index(condition=models.Q(('error_code', ''), _negated=True), fields=['wallet', 'error_code', '-created_at'], name='apicall_code'), models.Index(fields=['wallet', 'route', '-created_at'], name='apicall_route'), models.Index(fields=['api_key', '-created_at'], name='apicall_key')],
            },
        ),
    ]
