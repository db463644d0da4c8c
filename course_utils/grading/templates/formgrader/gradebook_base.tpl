{#- nbgrader's frame of the pages below *Manual Grading*, with a link to our pages in its menu. -#}
{%- extends "nbgrader/gradebook_base.tpl" -%}

{%- block sidebar -%}
{{ super() }}
<li role="presentation"><a href="{{ base_url }}/formgrader/written">Written answers</a></li>
{%- endblock -%}
