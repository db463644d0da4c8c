{#- In place of nbgrader's page (0.9.6) for a graded notebook that is missing, which asks for a template that is not
    there. -#}
{%- extends "gradebook_base.tpl" -%}
{%- set base_url = resources.base_url -%}

{%- block body -%}
<p>The graded notebook <code>{{ resources.filename }}</code> is missing. Autograde this submission again.</p>
{%- endblock -%}
