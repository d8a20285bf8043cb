def write_html(path, result): path.write_text("x")
