import accounts.models
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_preferences_and_caps'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='allowed_ips',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Addresses and networks; empty: every one.'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='daily_credit_cap',
            field=models.PositiveIntegerField(blank=True, help_text='Credits it may spend in a day (UTC); empty: no limit of its own.', null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='image_models',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Slugs; empty: every model.'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='is_test',
            field=models.BooleanField(db_default=False, default=False, help_text='It costs nothing and draws samples.'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='lifetime_credit_cap',
            field=models.PositiveIntegerField(blank=True, help_text='Credits it may spend in all; empty: no limit of its own.', null=True),
        ),
        migrations.AddField(
            model_name='apikey',
            name='scopes',
            field=models.JSONField(db_default=models.Value(['generate', 'read', 'account'], models.JSONField()), default=accounts.models.all_scopes),
        ),
        migrations.AddField(
            model_name='apikey',
            name='version',
            field=models.PositiveIntegerField(db_default=1, default=1, editable=False, help_text='Changes with whatever it may do.'),
        ),
        migrations.CreateModel(
            name='BrowserToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('prefix', models.CharField(max_length=16, unique=True)),
                ('digest', models.CharField(max_length=64)),
                ('origin', models.CharField(help_text='The site whose pages may use it.', max_length=255)),
                ('credit_cap', models.PositiveIntegerField()),
                ('credits_spent', models.PositiveIntegerField(db_default=0, default=0, help_text='Spent or held.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('api_key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='browser_tokens', to='accounts.apikey')),
            ],
            options={
                'indexes': [models.Index(fields=['expires_at'], name='token_expiry')],
                'constraints': [models.CheckConstraint(condition=models.Q(('credits_spent__lte', models.F('credit_cap'))), name='token_within_its_cap')],
            },
        ),
    ]
