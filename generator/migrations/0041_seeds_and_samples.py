import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_key_scopes'),
        ('billing', '0033_audit_by_actor'),
        ('generator', '0031_fill_groups'),
    ]

    operations = [
        migrations.AddField(
            model_name='generation',
            name='browser_token',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='generations', to='accounts.browsertoken'),
        ),
        migrations.AddField(
            model_name='generation',
            name='is_test',
            field=models.BooleanField(db_default=False, default=False, help_text='A test key asked for it: it is a sample, and no credits moved.'),
        ),
        migrations.AddField(
            model_name='generation',
            name='seed',
            field=models.BigIntegerField(blank=True, help_text='What it was asked to be drawn from.', null=True),
        ),
        migrations.AddField(
            model_name='group',
            name='webhook_url',
            field=models.CharField(blank=True, db_default='', default='', help_text='Told what became of its images.', max_length=500),
        ),
        migrations.AddField(
            model_name='imagemodel',
            name='has_seed',
            field=models.BooleanField(db_default=False, default=False, help_text='The same seed draws the same image: requests may name one.'),
        ),
    ]
